"""The table of a month from the topics, made once: what was told of a month is told again, never counted again.

A month can be told when it is over by `GRACE`, when what was accepted in it, and what follows from that, is worked off,
and while `consent.changes` has all of it. It is kept as a file; whoever counted it again after a rebuild, by other
rules, would tell two tables of the same people.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from consent_stream.analytics.months import Cell, Month, Tally
from consent_stream.disk import sync_directory
from consent_stream.inspection.lateness import in_force
from consent_stream.inspection.settled import await_settled
from consent_stream.inspection.topicread import consumer, partitions, read
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError
from consent_stream.wire.change import decode_change
from consent_stream.wire.topics import CHANGES

GRACE = 86_400_000_000  # microseconds: what was accepted at the very end has gone through every hop long before
SLACK = 3_600_000_000  # by which clocks of workers and brokers may differ: where to begin reading
Seen = Callable[[int, int], None]  # (records read, records to read)


class Untellable(Exception):
    """The month cannot be told, or not yet. One line."""


class Table(NamedTuple):
    """What is told of a month, for all tenants."""

    month: str
    generation: int
    cells: tuple[Cell, ...]


def keep(folder: Path, settings: Settings, month: Month, now: int, seconds: float, seen: Seen) -> Table:
    """The table of a month: the one that is kept in `folder`, else one that is counted and kept.

    now: µs. seconds: to wait for the workers in. Errors: Untellable; Unread; Unreachable; OSError.
    """
    path = folder / f"{settings.topic_prefix}{month.name}.json"
    kept = _kept(path)
    if kept is not None:
        return kept
    table = _count(settings, month, now, seconds, seen)
    folder.mkdir(parents=True, exist_ok=True)
    _write(path, orjson.dumps(table._asdict() | {"cells": [each._asdict() for each in table.cells]}))
    kept = _kept(path)  # somebody else's, where two counted at once
    assert kept is not None
    return kept


def _kept(path: Path) -> Table | None:
    try:
        said: dict[str, Any] = orjson.loads(path.read_bytes())
        return Table(said["month"], said["generation"], tuple(Cell(**each) for each in said["cells"]))
    except FileNotFoundError:
        return None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise Untellable(f"{path} holds no table; it was told once and must not be counted again") from None


def _write(path: Path, content: bytes) -> None:
    """On disk and in its place, or nowhere; one that is there already stays."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:  # two counted at once: the first one stands
            return
    finally:
        draft.unlink(missing_ok=True)
    sync_directory(path.parent)


def _count(settings: Settings, month: Month, now: int, seconds: float, seen: Seen) -> Table:
    if now < month.end + GRACE:
        raise Untellable(f"--month: {month.name} is not over, or for less than a day")
    generation, policy, counts = in_force(settings)
    settled = await_settled(settings, generation, counts, month.end + GRACE, seconds)
    if settled.through < month.end + GRACE:
        raise Untellable(f"what was accepted in {month.name} is not worked off for sure; is a worker up?")
    _refuse_part(settings, generation, month)
    tally = Tally(month)
    for batch in read(settings, CHANGES, generation, since=month.begin - SLACK, told=seen):
        for message in batch:
            try:
                tally.add(message.key() or b"", decode_change(message.value() or b""))
            except WireError as error:
                place = f"{message.partition()}:{message.offset()}"
                raise Untellable(f"{CHANGES.name} {place} cannot be read by this version ({error.code})") from error
    return Table(month.name, generation, tuple(tally.cells(policy.tenants)))


def _refuse_part(settings: Settings, generation: int, month: Month) -> None:
    """Errors: Untellable when retention may have taken some of the month."""
    name, reader = CHANGES.full(settings.topic_prefix, generation), consumer(settings)
    try:
        there, wanted = partitions(reader, name), partitions(reader, name, month.begin - SLACK)
    finally:
        reader.close()
    for p, (low, _) in there.items():
        if low and wanted[p][0] <= low:
            raise Untellable(f"topic {name} no longer has all of {month.name}: partition {p} begins later")
