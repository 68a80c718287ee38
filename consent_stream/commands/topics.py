"""`consent-stream topics apply|diff`: the one declaration and a cluster."""

import json
import time
from collections.abc import Sequence
from dataclasses import asdict

import click
from confluent_kafka import KafkaException
from rich.table import Table

from consent_stream.commands.options import settings_options
from consent_stream.commands.screen import console
from consent_stream.settings import Settings
from consent_stream.topics import Cluster, TopicAdmin, Unreachable
from consent_stream.wire.topics import LEDGER, PARTITIONS, TOPICS, Difference, Topic, differences

SETTLE_SECONDS = 5.0
EMBEDDED = "embedded broker: topics appear when they are asked for, with 4 partitions, and take no settings"


@click.group()
def command() -> None:
    """Make the topics, or compare them with what they must be."""


@command.command()
@click.option(
    "--partitions", type=click.IntRange(1, 10_000), help=f"Of new topics; never altered. Default {PARTITIONS}."
)
@click.option(
    "--replication-factor", type=click.IntRange(1, 32), help="Of new topics. Default: 3, or all brokers if fewer."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options()
def apply(settings: Settings, partitions: int | None, replication_factor: int | None, as_json: bool) -> None:
    """Make missing topics and put wrong settings right. Partition counts and records are never touched.

    \b
    consent-stream topics apply --bootstrap 127.0.0.1:9092
    consent-stream topics apply --partitions 24 --replication-factor 3
    """
    admin = TopicAdmin(settings)
    try:
        after, done = _settle(admin, settings, partitions, replication_factor)
    except Unreachable as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka refused: {error.args[0].str()}") from error
    left = differences(after.live, settings.topic_prefix)
    if as_json:
        click.echo(json.dumps({"embedded": after.embedded, "done": done, "left": [asdict(each) for each in left]}))
    else:
        _show_applied(after, done, settings.topic_prefix)
        _show_differences(left)
    if left:
        raise SystemExit(1)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options()
def diff(settings: Settings, as_json: bool) -> None:
    """Compare. Exit 1 when anything differs; a worker refuses to start on those marked fatal.

    \b
    consent-stream topics diff --json
    """
    try:
        cluster = TopicAdmin(settings).read()
    except Unreachable as error:
        raise click.ClickException(str(error)) from error
    found = differences(cluster.live, settings.topic_prefix)
    if as_json:
        click.echo(json.dumps({"embedded": cluster.embedded, "differences": [asdict(each) for each in found]}))
    else:
        if cluster.embedded:
            click.echo(EMBEDDED, err=True)
        _show_differences(found)
        if not found:
            click.echo(f"{len(TOPICS)} topics, all as declared")
    if found:
        raise SystemExit(1)


def _settle(
    admin: TopicAdmin, settings: Settings, partitions: int | None, replication: int | None
) -> tuple[Cluster, dict[str, str]]:
    """Put right until nothing is left but what no call can change; the cluster then, and what was done.

    Rounds, because a broker answers from its own copy of the metadata, which follows the controller by moments.
    """
    done: dict[str, str] = {}
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        cluster = admin.read()
        left = differences(cluster.live, settings.topic_prefix)
        alterable = [each for each in left if each.found is None or each.setting != "partitions"]
        if cluster.embedded or not alterable or time.monotonic() > deadline:
            return cluster, done
        done = _put_right(admin, cluster, settings, partitions, replication) | done
        time.sleep(0.05)


def _put_right(
    admin: TopicAdmin, cluster: Cluster, settings: Settings, partitions: int | None, replication: int | None
) -> dict[str, str]:
    """What was done, by full topic name: `created` or the settings that were altered."""
    copies = replication or min(3, cluster.brokers)
    prefix = settings.topic_prefix
    missing = [topic for topic in TOPICS if topic.full(prefix) not in cluster.live]
    made = admin.create({topic: _count(topic, cluster, prefix, partitions) for topic in missing}, copies)
    done = {topic.full(prefix): "created" for topic in missing if topic.full(prefix) in made}
    wrong: dict[str, dict[str, str]] = {}
    for each in differences(cluster.live, prefix):
        if each.found is not None and each.setting != "partitions":
            wrong.setdefault(each.topic, {})[each.setting] = each.wanted
    for name, wanted in wrong.items():
        admin.alter(name, wanted)
        done[name] = "altered " + ", ".join(wanted)
    return done


def _count(topic: Topic, cluster: Cluster, prefix: str, wanted: int | None) -> int:
    """Partitions of a topic to be made: its own where fixed, the ledger's where they must be equal, else as wanted."""
    ledger = cluster.live.get(LEDGER.full(prefix))
    if topic.fixed:
        return topic.partitions
    if topic.shares_partitions and ledger is not None:
        return ledger.partitions
    return wanted or topic.partitions


def _show_applied(cluster: Cluster, done: dict[str, str], prefix: str) -> None:
    if cluster.embedded:
        click.echo(EMBEDDED, err=True)
    table = Table("topic", "partitions", "replicas", "cleanup", "done", "for", box=None, pad_edge=False)
    for topic in TOPICS:
        name = topic.full(prefix)
        live = cluster.live.get(name)
        cells = (str(live.partitions), str(live.replication)) if live else ("-", "-")
        cleanup = ((live and live.config) or {}).get("cleanup.policy", "-")
        table.add_row(name, *cells, cleanup, done.get(name, "as it was"), topic.doc)
    console().print(table)


def _show_differences(found: Sequence[Difference]) -> None:
    if not found:
        return
    table = Table("topic", "setting", "is", "must be", "", box=None, pad_edge=False)
    for each in found:
        mark = f"fatal: {each.why}" if each.fatal else ""
        table.add_row(each.topic, each.setting, each.found or "missing", each.wanted, mark)
    console().print(table)
