"""`consent-stream void-batch`: take back what a bad file permitted."""

import json

import click
from confluent_kafka import KafkaException

from consent_stream.commands import import_report as report
from consent_stream.commands.enforced import await_enforced, last_offsets
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.domain.subjects import short_text
from consent_stream.importing.voiding import Voidable, find_keys, void_event
from consent_stream.publisher import Publisher, Unproven
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation
from consent_stream.wire.avro import WireError


@click.command()
@click.argument("batch")
@click.option("--tenant", required=True, help="Whose batch it is.")
@click.option("--source", default="/import/void", show_default=True, help="Source of the events.")
@click.option("--dry-run", is_flag=True, help="Publish nothing; tell how many keys it concerns.")
@click.option("--wait", type=Seconds(), default=60.0, show_default=True, help="For each of the two waits.")
@click.option("--json", "as_json", is_flag=True, help="The outcome as one JSON object.")
@settings_options()
def command(settings: Settings, batch: str, tenant: str, source: str, dry_run: bool, wait: float, as_json: bool) -> int:
    """Void every permission of BATCH, for good. What its file restricted stays.

    It waits until all that was published is in the ledger, looks there for the keys with a grant of the batch, sends
    consent.invalidated for each, and waits until that is enforced. An import of the batch that still runs must be
    stopped before; exit 1 when a wait was too short or Kafka did not take it all: run it again.

    \b
    consent-stream void-batch 3f9a0c1d2b4e5f60 --tenant acme --dry-run
    """
    if not short_text(batch):
        raise click.BadParameter("a text of 1 to 256 bytes, as `import` told it", param_hint="BATCH")
    try:
        generation = active_generation(settings)
        await_enforced(settings, last_offsets(settings), wait)
        with report.bar() as bar:
            bar.begin("reading the ledger")
            found = find_keys(settings, tenant, batch, generation, lambda read, total: bar.seen(read))
        furthest = {} if dry_run else _publish(settings, found, tenant, source, batch)
    except (Unreachable, Unproven, WireError) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka: {error.args[0].str()}") from error
    if as_json:
        receipts = {str(partition): offset for partition, offset in sorted(furthest.items())}
        click.echo(json.dumps({"batch": batch, "keys": len(found), "published": not dry_run, "receipts": receipts}))
    elif dry_run:
        click.echo(f"{len(found):,} keys have a permission of batch {batch}; nothing was published")
    else:
        click.echo(f"batch {batch} is void under {len(found):,} keys")
    if furthest:
        await_enforced(settings, furthest, wait)
    return 0


def _publish(settings: Settings, found: list[Voidable], tenant: str, source: str, batch: str) -> dict[int, int]:
    publisher, furthest = Publisher(settings), dict[int, int]()
    for number, each in enumerate(found, 1):
        publisher.send(number, void_event(each, tenant, source, batch))
        for receipt in publisher.proven():
            furthest[receipt.partition] = max(receipt.offset, furthest.get(receipt.partition, -1))
    for receipt in publisher.rest():
        furthest[receipt.partition] = max(receipt.offset, furthest.get(receipt.partition, -1))
    return furthest
