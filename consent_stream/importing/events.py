"""A row → the event that says it, if it says anything. All are `import.row`: nothing here can lift or clear."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from consent_stream.domain.addresses import canonical_email, canonical_phone
from consent_stream.domain.nodes import valid_scope
from consent_stream.domain.subjects import encodes, short_text
from consent_stream.importing.dates import day_text
from consent_stream.importing.rows import SKIPPED, STATUSES, Row

EVENT_TYPE = "import.row.v1"
BATCH_CHARS = 64
_ANGLE = re.compile(r"<([^<>]+)>\s*\Z")  # RFC 5322 §3.4: a display name before an addr-spec in angle brackets
RESTRICTING = frozenset(STATUSES) - {"subscribed"}

# What became of a row that is not sent, or sent in part.
BROKEN = "broken"  # no address or no status can be made out
UNREADABLE = "unreadable"  # an address that is none: a restriction is kept under its text all the same
INCOMPLETE = "incomplete_proof"  # subscribed, without date, method, origin or notice: no permission (RULES §5)


class BatchError(ValueError):
    """An option of an import that cannot be used. One line."""


@dataclass(frozen=True)
class Batch:
    """What all rows of an import share. id: stands in every grant, so that a bad file can be voided as one.

    digest: of the file, in hex. It makes event ids differ where one batch has several files. Not of rows: a digest of
    an address could be tried out, and ids go wherever facts go.
    scope, method, origin, notice (`id@version`), region: for rows that do not say their own.
    Errors: BatchError.
    """

    tenant: str
    source: str
    id: str
    digest: str
    channel: str = "email"
    scope: str = ""
    method: str = ""
    origin: str = ""
    notice: str = ""
    region: str = ""

    def __post_init__(self) -> None:
        if not short_text(self.tenant) or "\0" in self.tenant:
            raise BatchError("the tenant is no text of at most 256 bytes")
        if not short_text(self.source):
            raise BatchError("the source is no text of at most 256 bytes")
        if not self.id or len(self.id) > BATCH_CHARS or not self.id.isascii() or not self.id.isprintable():
            raise BatchError(f"the batch id is 1 to {BATCH_CHARS} printable ASCII characters")
        if self.scope and not valid_scope(self.scope):
            raise BatchError("the scope is none: a program, or program/topic")
        if self.notice and read_notice(self.notice) is None:
            raise BatchError("the notice is ID@VERSION")


class Told(NamedTuple):
    """value: the event, None where nothing is sent. fate: the row's status, or why not all of it was said."""

    fate: str
    value: bytes | None = None


def default_batch(digest: str) -> str:
    """The batch id of a file that was given none: `sha256sum FILE | cut -c1-16`."""
    return digest[:16]


def read_notice(text: str) -> tuple[str, int | str] | None:
    """(id, version) of `id@version`; a version of digits is a number. None when it is no notice."""
    ident, _, version = text.rpartition("@")
    if not ident or not version or not encodes(text):
        return None
    return ident, int(version) if version.isascii() and version.isdigit() and len(version) < 19 else version


def tell(row: Row, batch: Batch) -> Told:
    """The event of a row.

    Laws: a function of its arguments; the type is `import.row` for every row; a row that restricts and has an address
    is told, whatever else is wrong with it; of a line that is broken, only where its address can be read.
    """
    if row.status == SKIPPED and not row.fault:
        return Told(SKIPPED)
    if row.status not in STATUSES or not encodes(row.address) or not (row.address or _of_a_contact(row)):
        return Told(BROKEN)
    row = _without_display_name(row, batch)
    readable = not row.address or _readable(row, batch)
    if row.fault and (row.status == "subscribed" or not readable):
        return Told(BROKEN)
    if row.status == "subscribed":
        return _permission(row, batch) if readable else Told(UNREADABLE)
    value = _event(row, batch, {})
    return Told(row.status if readable else UNREADABLE, value)


def _without_display_name(row: Row, batch: Batch) -> Row:
    """`Ana <ana@example.com>` as `ana@example.com`, where it restricts; a permission is never guessed at."""
    named = _ANGLE.search(row.address)
    if named is None or row.status not in RESTRICTING or batch.channel != "email":
        return row
    return row if _readable(row, batch) else row._replace(address=named[1])


def _of_a_contact(row: Row) -> bool:
    """A no of somebody whose address the list does not have; a bounce is of an address."""
    return bool(row.contact) and encodes(row.contact) and row.status in ("unsubscribed", "complained")


def _readable(row: Row, batch: Batch) -> bool:
    if batch.channel == "email":
        return canonical_email(row.address) is not None
    return canonical_phone(row.address, (row.region or batch.region).upper() or None) is not None


def _permission(row: Row, batch: Batch) -> Told:
    method, origin = row.method or batch.method, row.origin or batch.origin
    notice = read_notice(row.notice or batch.notice)
    proof: dict[str, Any] = {"method": method, "origin": origin}
    if notice is not None:
        proof["notice"] = {"id": notice[0], "version": notice[1]}
    if row.time and method and origin and notice is not None:
        return Told("subscribed", _event(row, batch, proof))
    # It permits nothing. It is told where it links: what a contact refuses must reach this address. (The intake counts
    # it; without a date it would go to quarantine, with the address in it.)
    links = bool(row.contact and row.time)
    return Told(INCOMPLETE, _event(row, batch, {key: each for key, each in proof.items() if each}) if links else None)


def _event(row: Row, batch: Batch, proof: dict[str, Any]) -> bytes:
    data: dict[str, Any] = {"channel": batch.channel, "status": row.status, "batch": batch.id, **proof}
    if row.address:
        data["email" if batch.channel == "email" else "phone"] = row.address
    if row.contact and encodes(row.contact):
        data["contact"] = row.contact
    if scope := row.scope or batch.scope:
        data["scope"] = scope  # an ill-formed one is `*` for a no and no permission for a yes: the intake's to say
    if batch.channel == "sms" and (region := row.region or batch.region):
        data["region"] = region
    told: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id(row.place, batch),
        "source": batch.source,
        "type": EVENT_TYPE,
        "tenant": batch.tenant,
        "datacontenttype": "application/json",
    }
    if row.time:
        told["time"] = row.time
        data["date"] = day_text(row.time)
    return orjson.dumps({**told, "data": data})


def event_id(place: str, batch: Batch) -> str:
    """The same for the same line of the same file in the same batch, and for no other."""
    of = batch.id if batch.id == default_batch(batch.digest) else f"{batch.id}:{batch.digest[:12]}"
    return f"{of}:{place}"
