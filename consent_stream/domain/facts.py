"""What can be known about a subject key. A fact is a bundle of parts; every part falls into one slot of the registers.

Parts are tuples whose tail is totally ordered, so that the greater of two parts of one slot is the same whichever came
first, down to the last byte.
"""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.nodes import ANY, Node

EMAIL, SMS, CONTACT = 1, 2, 4  # what a subject key stands for, as a mask: a hex key without a channel may be either
CHANNEL_MASK = {"email": EMAIL, "sms": SMS}


class Kind(NamedTuple):
    """A way to say no: what undoes it, and where it is kept."""

    name: str
    cleared_by: int | str  # an evidence level 2..4, or "lift" or "review"
    person: bool  # a person fact goes under every key named and travels over links; others stay on their address
    base_form: bool = False  # also written under the base form of an e-mail address, and read there
    sms_only: bool = False


KINDS = {  # in the order in which reasons are given (RULES §10)
    kind.name: kind
    for kind in (
        Kind("legal", "lift", True),
        Kind("deceased", "lift", True),
        Kind("frozen", "lift", True),
        Kind("suppressed_by_staff", "lift", True),
        Kind("minor_suspected", "review", True),
        Kind("erased", 4, True, base_form=True),
        Kind("reassigned", 4, False, sms_only=True),
        Kind("complaint", 4, False, base_form=True),
        Kind("objected", 3, True, base_form=True),
        Kind("global_opt_out", 3, True, base_form=True),
        Kind("sharing_opt_out", 4, True),
        Kind("sms_stop", 3, False, sms_only=True),
        Kind("sms_stop_review", 3, False, sms_only=True),
        Kind("unsubscribed", 3, False),
        Kind("topic_opt_out", 2, False),
    )
}
# A person may also take back a doubtful STOP by an E3 grant, so `review` is a second way for it.
REVIEWED = frozenset(("sms_stop_review", "minor_suspected"))
LIFTED = frozenset(name for name, kind in KINDS.items() if kind.cleared_by == "lift") | {"minor"}
REASONS = (
    "stopped", "not_ready", "stale", "unknown_tenant_key", "bad_address", "unknown_purpose",
    "legal", "deceased", "frozen", "suppressed_by_staff", "minor", "minor_suspected", "erased", "reassigned",
    "complaint", "objected", "global_opt_out", "sharing_opt_out", "sms_stop", "sms_stop_review", "unsubscribed",
    "topic_opt_out", "undeliverable", "expired", "evidence_too_low", "no_consent",
)  # fmt: skip
REASON_RANK = {reason: rank for rank, reason in enumerate(REASONS)}


class Restriction(NamedTuple):
    kind: str
    node: Node
    open: bool  # the event named an address and no contact: the fact travels on to linked contacts
    hi: int
    id: str
    source: str
    type: str


class Grant(NamedTuple):
    lo: int
    id: str
    source: str
    valid_until: int
    node: Node
    level: int
    names: tuple[Node, ...]  # besides its own node, sorted
    notice_id: str
    notice_version: str
    batch: str
    credential: str
    type: str


class Lift(NamedTuple):
    """A lift or review of one (kind, node); for `minor` the node is `*:*:*`."""

    kind: str
    node: Node
    lo: int
    id: str
    source: str


class Void(NamedTuple):
    """Takes grants out of counting. `selector` is without the time of a credential; `*` is every grant of the key."""

    selector: str
    open: bool
    since: int  # of a credential; else 0
    id: str
    source: str


class Birth(NamedTuple):
    date: int  # ordinal
    open: bool
    hi: int
    id: str
    source: str


class Delivery(NamedTuple):
    bounced: bool
    time: int  # hi of a bounce, lo of a delivery
    id: str
    source: str


class Request(NamedTuple):
    purpose: str
    channel: str
    lo: int
    id: str
    source: str


class Link(NamedTuple):
    key: bytes
    channels: int  # what the linked key stands for


Part = Restriction | Grant | Lift | Void | Birth | Delivery | Request | Link


class Fact(NamedTuple):
    """One qualified event for one subject key: a record of `consent.ledger`."""

    key: bytes
    channels: int
    tenant: str
    id: str
    source: str
    type: str
    received: int  # append time in consent.events, microseconds
    partition: int  # of consent.events
    offset: int
    derived: bool
    parts: tuple[Part, ...]


def with_scope(n: Node, scope: str) -> Node:
    return n if n.scope == scope else Node(n.purpose, n.channel, scope)


def widened(r: Restriction) -> Restriction:
    return r._replace(node=with_scope(r.node, ANY))
