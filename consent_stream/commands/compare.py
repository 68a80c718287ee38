"""`consent-stream compare`: are two generations the same, and where not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import click
from confluent_kafka import KafkaException
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.screen import console
from consent_stream.domain.registers import Registers
from consent_stream.rebuild.compare import Compared
from consent_stream.rebuild.differences import Found, find_differences
from consent_stream.rebuild.snapshot import NotSettled, Snapshot
from consent_stream.settings import Settings
from consent_stream.topics import TopicsRefused, Unreachable, check_topics
from consent_stream.wire.avro import WireError
from consent_stream.wire.state import decode_registers

SHOWN = 20


class Uncompared(click.ClickException):
    """No comparison could be made: Kafka, a topic or a worker is away."""

    exit_code = 2


@click.command()
@click.argument("first", type=click.IntRange(0))
@click.argument("second", type=click.IntRange(0))
@click.option("--timeout", type=Seconds(), default=300.0, show_default=True, help="Seconds for both to settle.")
@click.option(
    "--show", type=click.IntRange(0, 10_000), default=SHOWN, show_default=True, help="Differing keys to show."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@settings_options()
def command(settings: Settings, first: int, second: int, timeout: float, show: int, as_json: bool) -> int:
    """Compare state and lists of two generations at equal vectors, while both go on. Exit 0: equal, 1: not.

    Shows a digest of all rows for each partition, which does not depend on their order, and for keys that differ what
    each generation knows of them. Needs room for both in the directory of temporary files (TMPDIR).

    \b
    consent-stream compare 0 1
    """
    if first == second:
        raise click.UsageError("two different generations, please")
    found = compared(settings, (first, second), timeout, show)
    if as_json:
        click.echo(json.dumps(_fields(found, (first, second))))
    else:
        _tell(found, (first, second))
    return 0 if found.equal else 1


def compared(settings: Settings, generations: tuple[int, int], timeout: float, most: int) -> Found:
    """What differs between two generations, with a bar on a terminal meanwhile. Errors: Uncompared."""
    try:
        for each in generations:
            check_topics(settings, each)
        with Snapshot(settings, generations) as snapshot, Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("reading both", total=None)
            return find_differences(
                snapshot, timeout, most, lambda at, total: bar.update(task, completed=at, total=total)
            )
    except (Unreachable, TopicsRefused, NotSettled) as error:
        raise Uncompared(str(error)) from error
    except KafkaException as error:
        raise Uncompared(f"Kafka did not answer, or refused: {error.args[0]}") from error


def _tell(found: Found, generations: tuple[int, int]) -> None:
    screen = console()
    first, second = generations
    table = Table("topic", "partition", f"keys {first}", f"keys {second}", f"digest {first}", f"digest {second}", "")
    for topic, each in found.compared.items():
        for partition, (a, b) in sorted(each.digests.items()):
            same = "" if str(a) == str(b) else "[red]differs[/red]"
            table.add_row(topic.name, str(partition), str(a.keys), str(b.keys), str(a)[:12], str(b)[:12], same)
    screen.print(table)
    for topic, each in found.compared.items():
        _tell_keys(screen, topic.name, each, generations)
    behind = ", ".join(f"{p}:{point.offset}" for p, point in sorted(found.vector.items()))
    screen.print(f"settled in both through {behind}", style="dim")
    if not found.steady:
        screen.print("these keys change all the time; compare again when it is quieter", style="yellow")
    screen.print("[bold green]equal[/bold green]" if found.equal else "[bold red]not equal[/bold red]")


def _tell_keys(screen: Console, name: str, each: Compared, generations: tuple[int, int]) -> None:
    for key, contents in each.differing.items():
        screen.print(f"{name} {key.hex()}")
        for generation, content in zip(generations, contents, strict=True):
            screen.print(f"  {generation}: {'; '.join(_standing(content)) or 'nothing'}", markup=False)
    if each.total > len(each.differing):
        screen.print(f"{name}: {each.total} keys differ; --show shows more")


def _standing(content: bytes | None) -> Iterator[str]:
    """What a row holds, in words without ids: kinds, nodes and counts."""
    if content is None:
        return
    try:
        reg = decode_registers(content)
    except WireError:
        yield "cannot be read"
        return
    yield from _parts(reg)


def _parts(reg: Registers) -> Iterator[str]:
    yield f"tenant {reg.tenant}"
    for restriction in sorted(reg.restrictions.values()):
        yield f"{restriction.kind} {restriction.node}"
    for grant in sorted(reg.grants):
        yield f"grant E{grant.level} {grant.node}"
    counts = {"lifts": sum(map(len, reg.lifts.values())), "voids": len(reg.voids), "births": len(reg.births)}
    yield from (f"{count} {what}" for what, count in counts.items() if count)
    if reg.bounced is not None:
        yield "bounced"


def _fields(found: Found, generations: tuple[int, int]) -> dict[str, Any]:
    topics = {}
    for topic, each in found.compared.items():
        topics[topic.name] = {
            "partitions": {
                str(p): [{"keys": a.keys, "digest": str(a)} for a in both] for p, both in sorted(each.digests.items())
            },
            "differing": each.total,
            "keys": [key.hex() for key in each.differing],
        }
    vector = {str(p): point.offset for p, point in sorted(found.vector.items())}
    return {
        "generations": generations, "equal": found.equal, "steady": found.steady, "settled": vector, "topics": topics,
    }  # fmt: skip
