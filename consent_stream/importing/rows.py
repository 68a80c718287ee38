"""A file → rows: what each line says of one address, in the words of the rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from consent_stream.domain.nodes import ANY
from consent_stream.importing.dates import read_time
from consent_stream.importing.records import Record, Table, names_of, read_table
from consent_stream.importing.source import FileFault, Part, parts

STATUSES = ("subscribed", "unsubscribed", "bounced", "complained")  # of `import.row`, WIRE §1
MAX_FIELD = 16_000  # characters; no address, id or date is as long, and an event has a limit
SKIPPED = "skipped"  # says nothing of consent: a block that passes, a contact that was never asked
FIELDS = ("email", "phone", "contact", "status", "date", "scope", "method", "origin", "notice", "region")


class Row(NamedTuple):
    """One line of a list. line: its number, behind the name of its file in a zip; place: the same without the name.

    status: of STATUSES, or SKIPPED; empty where it cannot be made out. time: RFC 3339 in UTC, empty when unknown.
    notice: `id@version`. fault: what is wrong with the line; nothing of the line itself.
    """

    line: str
    place: str
    status: str
    address: str
    contact: str = ""
    time: str = ""
    scope: str = ""
    method: str = ""
    origin: str = ""
    notice: str = ""
    region: str = ""
    fault: str = ""

    def __repr__(self) -> str:  # no address in logs
        return f"<Row {self.line}: {self.status or self.fault}>"


Fields = Mapping[str, str]  # by the names of FIELDS, and of what else the format looks at
Present = frozenset[str]  # which of them the file has


@dataclass(frozen=True)
class Format:
    """How a vendor's export is read.

    columns: field → names that it has in the files, compared without case, spaces and signs; the first found counts.
    kind(file name, fields there are): the status of every row, empty where each row says its own, None where neither
    does (then --status must). status(fields, kind): of one row; empty when it cannot be made out.
    time(fields, status): which field has the date. lists: names under which JSON documents hold their entries.
    headerless(first row): names of the columns where a file has no header.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    kind: Callable[[str, Present], str | None]
    status: Callable[[Fields, str], str]
    time: Callable[[Fields, str], str] = lambda fields, status: fields.get("date", "")
    lists: Sequence[str] = ()
    headerless: Callable[[Sequence[str]], Sequence[str] | None] = lambda first: None
    channels: Sequence[str] = ("email",)


@dataclass(frozen=True)
class Reading:
    """How files of one import are read. columns: field → name in the file, before those of the format."""

    format: Format
    channel: str = "email"
    status: str = ""
    encoding: str = "utf-8"
    columns: Mapping[str, str] = field(default_factory=dict)


def read_rows(path: Path, reading: Reading) -> Iterator[Row]:
    """The rows of a file, the same in every run. Errors: FileFault, before the first row of the part that has it."""
    for part in parts(path):
        yield from _part_rows(part, reading)


def _part_rows(part: Part, reading: Reading) -> Iterator[Row]:
    form = reading.format
    with part.open() as file:
        table = read_table(file, part.name, reading.encoding, form.lists, form.headerless)
        names = _named(table, part, reading)
        if not names:
            return
        kind = form.kind(part.name.lower(), frozenset(names))
        if kind is None:
            kind = reading.status
            if not kind:
                found = names_of(table.columns)
                raise FileFault(f"{part.name}: which list is it? --status says what its rows are; columns: {found}")
        elif reading.status and reading.status != kind:
            raise FileFault(f"{part.name}: says itself what its rows are ({kind or 'each row'}): leave --status away")
        address = "email" if reading.channel == "email" else "phone"
        for record in table.records:
            yield _row(record, part, names, address, kind, form)


def _named(table: Table, part: Part, reading: Reading) -> dict[str, list[str]]:
    """field → its names in this file, the best first. Errors: FileFault when the address is not among them."""
    names: dict[str, list[str]] = {}
    for each, known in reading.format.columns.items():
        found = [column for name in known for column in table.columns if _plain(column) == _plain(name)]
        if found:
            names[each] = found
    for each, column in reading.columns.items():
        if column not in table.columns:
            raise FileFault(f"{part.name}: no column {column!r}; columns: {names_of(table.columns)}")
        names[each] = [column]
    wanted = "email" if reading.channel == "email" else "phone"
    several = _columns_of(reading.format.columns.get(wanted, ()), table)
    if table.fixed and len(several) > 1 and wanted not in reading.columns:  # a no may stand in either of them
        told = f"--column {wanted}=NAME says which one counts"
        raise FileFault(f"{part.name}: several columns for {wanted}: {names_of(several)}; {told}")
    if wanted not in names and table.columns:
        raise FileFault(f"{part.name}: no column for {wanted}; columns: {names_of(table.columns)}")
    return names


def _columns_of(known: Iterable[str], table: Table) -> tuple[str, ...]:
    """Columns of a file that a known name may mean, those included whose name had been taken (`email#1`)."""
    plain = {_plain(name) for name in known}
    return tuple(each for each in table.columns if _plain(re.sub(r"#\d+$", "", each)) in plain)


def _plain(name: str) -> str:
    return re.sub(r"[^0-9a-z#]", "", name.casefold())


def _row(record: Record, part: Part, names: Mapping[str, list[str]], address: str, kind: str, form: Format) -> Row:
    told = record.fields
    fields = {
        each: next(filter(None, (_text(told.get(column)) for column in columns)), "") for each, columns in names.items()
    }
    status = form.status(fields, kind)
    fault = record.fault
    if not fault and not status:
        fault = "a status that is none"
    elif not fault and not fields[address] and not fields.get("contact"):
        fault = "no address"
    return Row(
        line=f"{part.prefix}{record.line}",
        place=f"{part.number}.{record.line}" if part.number else str(record.line),
        status=status,
        address=fields[address],
        contact=fields.get("contact", ""),
        # In a broken line a field may stand in another's place: its date is not relied on, its scope is read as all.
        time="" if record.fault else read_time(form.time(fields, status)),
        scope=ANY if record.fault and "scope" in names else fields.get("scope", ""),
        method=fields.get("method", ""),
        origin=fields.get("origin", ""),
        notice=fields.get("notice", ""),
        region=fields.get("region", ""),
        fault=fault,
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value.strip() if len(value) <= MAX_FIELD else ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return str(value)
