"""Hand-made records for tests of the gate: what a worker would write, without one."""

import time

from consent_stream.domain.facts import EMAIL, Fact, Grant, Part, Restriction
from consent_stream.domain.nodes import node
from consent_stream.domain.policy import Tenant
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import standing
from consent_stream.wire.keys import Keyring
from consent_stream.wire.suppression import encode_entry
from consent_stream.wire.vector import Heartbeat, Point, encode_heartbeat

SECOND = 1_000_000
RING = Keyring({0: bytes(32)})
ANA = "ana@example.com"
ANAS = RING.subject("acme", "email", ANA)


def now() -> int:
    return time.time_ns() // 1000


def grant(scope="news", *, ident="g1", channel="email", purpose="marketing", level=3, lo=0, until=1 << 60, names=()):
    told = tuple(sorted(names))
    return Grant(lo, ident, "/forms", until, node(purpose, channel, scope), level, told, "n1", "1", "", "", "x")


def restriction(kind="unsubscribed", scope="*", *, ident="r1", purpose="marketing", channel="email", hi=1):
    return Restriction(kind, node(purpose, channel, scope), False, hi, ident, "/forms", "x")


def entry(*parts: Part, version=1, generation=0, tenant="acme", channel="email", channels=EMAIL) -> bytes:
    """A record of a list, holding these parts."""
    fact = Fact(bytes(19), channels, tenant, "cause", "/forms", "x", 1, 0, 0, False, parts)
    reg = Registers(tenant, channels)
    reg.apply(fact)
    return encode_entry(reg, channel, standing(reg, channel, Tenant(), 1), fact, version, generation)


def heartbeat(q, *, through, offset=10, events=2, generation=0, written=None, settled=None) -> Heartbeat:
    """Everything before `offset` and `through` is applied; `settled` has a vector of its own when given."""
    applied = {p: Point(offset, through) for p in range(events)}
    return Heartbeat(q, generation, events, through if written is None else written, applied, settled or applied)


def beat(q, **about) -> bytes:
    return encode_heartbeat(heartbeat(q, **{"through": now(), **about}))
