"""`consent-stream rebuild`: everything that follows from the events, made anew beside the live lists."""

from __future__ import annotations

import click
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress

from consent_stream.commands.options import settings_options
from consent_stream.settings import Settings, SettingsError
from consent_stream.topics import TopicAdmin, TopicsRefused, Unreachable, active_generation, check_topics
from consent_stream.wire.avro import WireError
from consent_stream.wire.topics import LEDGER, TOPICS


@click.command()
@click.option("--into", type=click.IntRange(1, 999_999), required=True, help="The new generation's number.")
@click.option(
    "--from", "source", type=click.IntRange(0), help="Whose ledger to replay. Default: the one that gates obey."
)
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), help="Of its ledger, state and lists. Default: as before."
)
@click.option("--replication-factor", type=click.IntRange(1, 32), help="Default: as before.")
@click.option("--seed-only", is_flag=True, help="End when the ledger is copied; `worker --generation N` does the rest.")
@settings_options("policy", "keys", "data_dir", "worker_id")
def command(
    settings: Settings,
    into: int,
    source: int | None,
    partitions: int | None,
    replication_factor: int | None,
    seed_only: bool,
) -> None:
    """Replay the ledger into topics of a new generation while the live one goes on.

    Makes the topics (consent.ledger.gN, consent.state.gN, suppression.email.gN, …), copies the qualified facts, then
    works on as `worker --generation N` until SIGTERM. Nobody obeys the new lists before `consent-stream activate N`.
    It may be begun again after any end: what is told twice changes nothing.

    \b
    consent-stream rebuild --into 1 --policy policy.toml --keys keys.toml
    consent-stream rebuild --into 2 --partitions 32 --seed-only
    """
    if settings.keys is None and not seed_only:
        raise SettingsError("keys", "its workers need the root key file, as all do; or say --seed-only")
    try:
        _fill(settings, source, into, partitions, replication_factor)
    except (Unreachable, TopicsRefused, WireError) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka did not answer, or refused: {error.args[0]}") from error
    if seed_only:
        click.echo(f"next: consent-stream worker --generation {into}", err=True)
        return
    click.echo(f"now a worker of generation {into}; compare it with: consent-stream compare", err=True)
    from consent_stream.commands.worker import run

    run(settings, generation=into)


def _fill(settings: Settings, given: int | None, into: int, partitions: int | None, copies: int | None) -> None:
    from consent_stream.rebuild.seed import NotSeeded, seed
    from consent_stream.topology.app import group_id  # the worker extra

    active = active_generation(settings)
    source = active if given is None else given
    if into <= max(active, source):
        raise click.UsageError(f"--into {into}: generations only grow; gates obey {active}, the source is {source}")
    prefix = settings.topic_prefix
    live = check_topics(settings, source).live[LEDGER.full(prefix, source)]
    admin = TopicAdmin(settings, into)
    there = admin.read().live
    missing = [topic for topic in TOPICS if topic.rebuilt and topic.full(prefix, into) not in there]
    count = partitions or live.partitions
    counts = {topic: topic.partitions if topic.fixed else count for topic in missing}
    for name in sorted(admin.create(counts, copies or live.replication)):
        click.echo(f"made {name}", err=True)
    groups = group_id(prefix, source), group_id(prefix, into)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("copying the ledger", total=None)
        try:
            done = seed(settings, source, into, groups, lambda at, total: bar.update(task, completed=at, total=total))
        except NotSeeded as error:
            raise click.ClickException(str(error)) from error
    events = ", ".join(f"{p}:{offset}" for p, offset in sorted(done.events.items()))
    click.echo(f"copied {done.facts} facts ({done.derived} derived ones will follow anew); events go on at {events}")
