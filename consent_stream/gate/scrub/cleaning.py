"""One file cleaned from its beginning to its end: opened, sent through, put in place, reported."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from consent_stream import __version__
from consent_stream.gate.gate import Gate
from consent_stream.gate.scrub.csvlist import CsvList
from consent_stream.gate.scrub.csvrows import Columns, CsvRows, FileFault
from consent_stream.gate.scrub.outputs import STANDARD, Digest, Draft
from consent_stream.gate.scrub.running import scrub
from consent_stream.gate.scrub.tally import Tally
from consent_stream.gate.sift import Sifted
from consent_stream.gate.vector import vector

SEEN = Callable[[int, int], None]


@dataclass(frozen=True)
class Order:
    """What is asked for. address, contact: names of columns; address "" for `email` or `phone`, in any capitals."""

    source: Path
    kept: Path
    removed: Path
    report: Path
    tenant: str
    channel: str = "email"
    purpose: str = "marketing"
    scope: str = "*"
    phone: bool = False
    address: str = ""
    contact: str | None = None
    region: str | None = None
    delimiter: str = ","

    @property
    def parquet(self) -> bool:
        """By its name: .parquet or .pq."""
        return self.source.suffix.lower() in (".parquet", ".pq")


def clean(order: Order, gate: Gate, stopped: Callable[[], int], seen: SEEN) -> dict[str, Any]:
    """Clean one list with a gate that is ready. Returns: the report, which is in its file too.

    Errors, and then no output is there: FileFault, OSError; Unproven when the gate grew stale; Stopped.
    """
    started, standing = datetime.now(UTC), _standing(gate, order)
    tally = Tally()
    drafts: list[Draft] = []
    try:
        for path in (order.removed, order.report, order.kept):
            drafts.append(Draft(path))
        removed, report, kept = drafts
        with _source(order.source) as source:
            settle = _settle_parquet if order.parquet else _settle_csv
            settle(order, source, kept, removed, _Run(order, gate, tally, stopped, seen))
            while source.read(1 << 20):  # a Parquet file was read beside it
                pass
        told = {
            **_asked(order),
            **tally.told(),
            "gate": {"software": __version__, "at_start": standing, "at_end": _standing(gate, order)},
            "input": source.told(),
            "output": kept.told(),
            "removed_output": removed.told(),
            "started": started.isoformat(),
            "ended": datetime.now(UTC).isoformat(),
        }
        report.write(orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
        for draft in drafts:
            draft.finish()
        for draft in drafts:  # the kept rows last: where they are, their report is
            draft.place()
        drafts.clear()
        return told
    finally:
        tally.close()
        for draft in drafts:
            draft.discard()


class _Run:
    """What a list of either kind is sent through with."""

    def __init__(self, order: Order, gate: Gate, tally: Tally, stopped: Callable[[], int], seen: SEEN) -> None:
        self._order, self._gate, self._tally, self._stopped, self._seen = order, gate, tally, stopped, seen

    def __call__(self, rows: Any) -> None:
        scrub(rows, self._ask, self._tally, lambda: self._gate.status().ready, self._stopped, self._seen)

    def _ask(self, addresses: Sequence[str], contacts: Sequence[str | None] | None) -> Sifted:
        return sift(self._gate, self._order, addresses, contacts)


def sift(gate: Gate, order: Order, addresses: Sequence[str], contacts: Sequence[str | None] | None = None) -> Sifted:
    """The gate's reasons. Errors: ValueError when a gate of this channel has no such addresses."""
    emails, phones = (None, addresses) if order.phone else (addresses, None)
    return gate.sift(
        tenant=order.tenant,
        emails=emails,
        phones=phones,
        contacts=contacts,
        region=order.region,
        purpose=order.purpose,
        scope=order.scope,
    )


def look(order: Order) -> Order:
    """The order with the columns that its file has; standard input is looked at when it is read.

    Errors: FileFault, OSError.
    """
    if order.parquet:
        from consent_stream.gate.scrub.parquetlist import parquet_file

        return _named(order, list(parquet_file(order.source).schema_arrow.names))
    if order.source == STANDARD:
        return order
    if not order.source.is_file():  # a pipe would be empty when it is opened again
        raise FileFault("is no regular file; - is standard input")
    with order.source.open("rb") as file:
        return _named(order, CsvRows(file, order.delimiter).names)


def _named(order: Order, names: Sequence[str]) -> Order:
    return replace(
        order,
        address=_column(names, order.address or ("phone" if order.phone else "email"), order.address),
        contact=None if order.contact is None else _column(names, order.contact, order.contact),
    )


def _column(names: Sequence[str], wanted: str, exactly: str | None) -> str:
    """The one column of that name; a name that was not given is taken in any capitals."""
    found = [each for each in names if (each == wanted if exactly else each.strip().lower() == wanted)]
    if len(found) == 1:
        return found[0]
    # Names are not shown: the first row of a list without a header is a person.
    raise FileFault(
        f"has {'several columns' if found else 'no column'} {wanted!r} among the {len(names)} of its header"
    )


def _settle_csv(order: Order, source: Digest, kept: Draft, removed: Draft, run: _Run) -> None:
    rows = CsvRows(source, order.delimiter)  # type: ignore[arg-type]
    names = rows.names
    order = _named(order, names)
    contact = None if order.contact is None else names.index(order.contact)
    columns = Columns(len(names), names.index(order.address), contact)
    run(CsvList(rows, columns, order.delimiter, kept, removed))


def _settle_parquet(order: Order, source: Digest, kept: Draft, removed: Draft, run: _Run) -> None:
    from consent_stream.gate.scrub.parquetlist import ParquetList

    rows = ParquetList(source.file, order.address, order.contact, kept, removed)
    run(rows)
    rows.close()
    source.file.seek(0)  # Arrow reads here and there; the digest is of the whole


@contextmanager
def _source(path: Path) -> Iterator[Digest]:
    if path == STANDARD:
        yield Digest(sys.stdin.buffer)
        return
    with path.open("rb") as file:
        opened: BinaryIO = file
        yield Digest(opened)


def _asked(order: Order) -> dict[str, Any]:
    names = ("tenant", "channel", "purpose", "scope", "region")
    return {name: getattr(order, name) for name in names}


def _standing(gate: Gate, order: Order) -> dict[str, Any]:
    """How fresh the answers are. vector: by partition of consent.events, everything before that offset is enforced."""
    status = gate.status()
    settled = order.contact is None
    return {
        "list": status.list,
        "entries": status.entries,
        "vector": {str(p): offset for p, offset in vector(gate, settled=settled).items()},
        "applied_through": status.settled_through if settled else status.applied_through,
        "staleness_s": status.settled_staleness if settled else status.staleness,
    }


def registered(gate: Gate, tenant: str) -> bool:
    """Whether the policy that the gate obeys names the tenant. Unknown is no."""
    policy = gate._reading.look()[0].policy
    return policy is not None and tenant in policy.tenants
