"""The records of the golden files: one of each shape that matters, as domain objects. Never altered, only added to."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from consent_stream.domain.clearing import minor_until
from consent_stream.domain.facts import (
    CONTACT,
    EMAIL,
    Birth,
    Delivery,
    Fact,
    Grant,
    Lift,
    Link,
    Request,
    Restriction,
    Void,
)
from consent_stream.domain.nodes import EVERYTHING, node
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import BLANK, Standing
from consent_stream.wire.change import encode_change
from consent_stream.wire.gate_report import GateReport, encode_report
from consent_stream.wire.ledger import encode_fact
from consent_stream.wire.send import FAILED, HANDED_OVER, HELD_BACK, Send, encode_send
from consent_stream.wire.state import encode_registers
from consent_stream.wire.suppression import encode_entry
from consent_stream.wire.vector import Heartbeat, Point, Progress, encode_heartbeat, encode_progress

from . import told

AT = 1_772_366_400_000_000  # 2026-03-01T12:00:00Z
KEY, CONTACT_KEY = b"\x01a\0" + bytes(range(16)), b"\x01c\0" + bytes(range(16, 32))
_NEWS = node("marketing", "email", "news")

RESTRICTION = Restriction("unsubscribed", _NEWS, True, AT + 1_000_000, "u-1", "/mail/oneclick", "unsubscribe.oneclick")
GRANT = Grant(
    AT, "g-1", "/forms/checkout", AT + 63_072_000_000_000, _NEWS, 3, (node("marketing", "*", "*"),), "n1", "3",
    "batch-1", "cred-1", "consent.granted",
)  # fmt: skip
_PARTS = (
    RESTRICTION,
    Restriction("erased", EVERYTHING, False, -1, "", "", "subject.erasure_ordered"),
    GRANT,
    GRANT._replace(id="g-2", names=(), batch="", credential="", level=0),
    Lift("frozen", EVERYTHING, AT + 5, "l-1", "/desk"),
    Lift("minor", EVERYTHING, AT + 6, "l-2", "/desk"),
    Void("grant:/forms/checkout#g-9", True, 0, "v-1", "/desk"),
    Void("credential:cred-9", False, AT - 7, "v-2", "/desk"),
    Birth(733_774, False, AT, "b-1", "/desk"),  # 2010-01-01
    Birth(700_000, True, AT, "b-2", "/desk"),  # before 1970
    Delivery(True, AT, "d-1", "/mta"),
    Delivery(False, AT - 1, "d-2", "/mta"),
    Request("marketing", "email", AT, "q-1", "/forms/checkout"),
    Link(CONTACT_KEY, CONTACT),
)
UNSUBSCRIBE = Fact(
    KEY, EMAIL, "acme", "u-1", "/mail/oneclick", "unsubscribe.oneclick", AT, 7, 123_456, False, (RESTRICTION,)
)
EVERY_PART = Fact(KEY, EMAIL, "Straße GmbH", "é" * 40, "/" + "x" * 70, "import.row", AT, 0, 1 << 40, True, _PARTS)
NO_PART = Fact(CONTACT_KEY, CONTACT, "acme", "", "", "feedback.not_spam", 0, 0, 0, False, ())


def _registers(*facts: Fact) -> Registers:
    reg = Registers("acme", 0)
    for fact in facts:
        reg.apply(fact)
    return reg


EMPTY, ORDINARY, FULL = _registers(NO_PART), _registers(UNSUBSCRIBE), _registers(UNSUBSCRIBE, EVERY_PART)
PARTIAL = Standing("PARTIAL", (), ("news",), "ConsentUnknown")
SUPPRESSED = Standing("SUPPRESSED", ("minor", "erased", "undeliverable"), ("news", "é/b"), "ConsentWithdrawn")
GRANTED = _registers(UNSUBSCRIBE._replace(parts=(GRANT,)))
EVENTS: list[Any] = [
    {
        "specversion": "1.0", "id": "e-1", "source": "/mail/oneclick", "type": "unsubscribe.oneclick.v1", "time": None,
        "tenant": "acme",
        "data": dict.fromkeys(
            ("contact", "email", "phone", "region", "keys", "channel", "purpose", "scope", "notice", "evidence",
             "names", "valid_until", "batch", "credential", "extra")
        ) | {"keys": [KEY.hex()]},
    },
    {
        "specversion": "1.0", "id": "e-2", "source": "/forms/checkout", "type": "org.acme.consent.granted.v1",
        "time": "2026-03-01T12:00:00Z", "tenant": "acme",
        "data": {
            "contact": "c-42", "email": "ana@example.com", "phone": "+12015550123", "region": "US",
            "keys": [KEY.hex(), CONTACT_KEY.hex()], "channel": "email", "purpose": "marketing", "scope": "news/weekly",
            "notice": {"id": "n1", "version": 3}, "evidence": "E3", "names": ["marketing:email:news"],
            "valid_until": "2028-03-01T12:00:00Z", "batch": "b", "credential": "k", "extra": '{"words":"Keep me."}',
        },
    },
]  # fmt: skip


SENDS = [
    Send(
        "acme", "email", "marketing", "news/weekly", "m-1", "newsletter", "g-1", (KEY, CONTACT_KEY), (KEY[::-1],),
        "email", False, AT, AT + 5, AT + 1_000_000, HANDED_OVER, True, (), ("g-1",), 0, 123_457, AT - 7, AT + 10**7,
    ),
    Send(
        "Straße GmbH", "sharing", "sharing", "partners", "é" * 40, "mta-2.example.com", "g-2", (KEY,), (), "", True, AT,
        None, AT, HELD_BACK, False, ("stale", "erased"), ("u-1", "x" * 70), 3, 0, None, 0,
    ),
    Send(
        "acme", "sms", "transactional", "*", "m-2", "", "g-1", (), (), "sms", False, AT, AT + 1, AT + 2, FAILED, True,
        (), (), 0, 1 << 40, AT, AT,
    ),
]  # fmt: skip

REPORTS = [
    GateReport(
        "5c" * 16, "newsletter", "mta-2.example.com", "email", "eu-suppression.email.g1", AT, AT + 7_000_000, False,
        "following", True, None, 1, 8, 2, {0: Point(5, AT), 1: Point(1 << 40, AT + 1)}, {0: Point(4, AT - 1)}, 12,
        1_000_000, 10_000_000, 21_000,
    ),
    GateReport(
        "a0" * 16, "", "h", "sharing", "suppression.sharing", AT, AT, True, "refused", False,
        "topic suppression.sharing: cleanup.policy is delete", 0, 0, 0, {}, {}, 0, 0, 1, None,
    ),
]  # fmt: skip


class Sample(NamedTuple):
    """One golden record: the plain values it must show to any reader, and how we write it (None: others do)."""

    told: Any
    encode: Callable[[], bytes] | None


def samples(name: str) -> list[Sample]:
    """The golden records of a schema."""
    return list(_SAMPLES[name]())


def _facts() -> Iterator[Sample]:
    for fact in (UNSUBSCRIBE, EVERY_PART, NO_PART):
        yield Sample(told.fact(fact), lambda fact=fact: encode_fact(fact))


def _states() -> Iterator[Sample]:
    for reg in (EMPTY, ORDINARY, FULL):
        yield Sample(told.registers(reg), lambda reg=reg: encode_registers(reg))


def _entries() -> Iterator[Sample]:
    for reg, now in ((ORDINARY, PARTIAL), (FULL, SUPPRESSED), (GRANTED, BLANK)):
        for channel in ("email", "sharing"):
            given = (reg, channel, now, UNSUBSCRIBE, 123_457)
            minor = minor_until(reg, AT)
            yield Sample(told.entry(*given, 2, minor), lambda given=given: encode_entry(*given, 2))


def _changes() -> Iterator[Sample]:
    for given in (("email", BLANK, PARTIAL, UNSUBSCRIBE, 123_457), ("sms", SUPPRESSED, BLANK, EVERY_PART, 1)):
        yield Sample(told.change(*given), lambda given=given: encode_change(*given))


def _rows(vector: dict[int, Point]) -> list[dict[str, int]]:
    return [{"partition": p, "offset": point.offset, "through": point.through} for p, point in vector.items()]


def _heartbeats() -> Iterator[Sample]:
    vector = {0: Point(0, AT), 1: Point(1 << 40, AT + 1)}
    for beat in (Heartbeat(3, 0, 2, AT, vector, {1: Point(5, AT)}), Heartbeat(0, 1, 0, 0, {}, {})):
        shown = beat._asdict() | {"applied": _rows(beat.applied), "settled": _rows(beat.settled)}
        yield Sample(shown, lambda beat=beat: encode_heartbeat(beat))


def _progress() -> Iterator[Sample]:
    for one in (Progress("intake", 0, 3, {3: Point(9, AT)}, (0, 1 << 40)), Progress("state", 2, 0, {}, ())):
        shown = one._asdict() | {"vector": _rows(one.vector), "ends": list(one.ends)}
        yield Sample(shown, lambda one=one: encode_progress(one))


def _sends() -> Iterator[Sample]:
    for send in SENDS:
        shown = {name: list(part) if isinstance(part, tuple) else part for name, part in send._asdict().items()}
        yield Sample(shown, lambda send=send: encode_send(send))


def _reports() -> Iterator[Sample]:
    for report in REPORTS:
        shown = report._asdict() | {"applied": _rows(report.applied), "settled": _rows(report.settled)}
        yield Sample(shown, lambda report=report: encode_report(report)[1])


_SAMPLES: dict[str, Callable[[], Iterator[Sample]]] = {
    "consent_event": lambda: (Sample(event, None) for event in EVENTS),
    "ledger_fact": _facts,
    "consent_state": _states,
    "suppression": _entries,
    "consent_change": _changes,
    "heartbeat": _heartbeats,
    "progress": _progress,
    "send": _sends,
    "gate_report": _reports,
}
