"""A model as a follower fills it, on literal instants; everything fictional."""

from __future__ import annotations

from consent_stream.console.model import Group, Model, Worker
from consent_stream.domain.standing import BLANK, Standing
from consent_stream.inspection.quarantine import held
from consent_stream.wire.change import Change
from consent_stream.wire.control import Active, Partitions, encode_active, encode_partitions, encode_policy
from consent_stream.wire.edges import EdgeBeat
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.marks import DROPPED, Mark, encode_mark
from consent_stream.wire.stops import Stop, encode_stop
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, QUARANTINE
from consent_stream.wire.vector import Point, Progress, Vector

S = 1_000_000
HOUR = 3600 * S
NOW = 1_795_557_933_000_000  # 2026-11-24 22:05:33 UTC
ANA = "ana@example.com"
POLICY = "[tenants.acme]\n"


def vector(offset: int, through: int) -> Vector:
    """The same of both partitions."""
    return {0: Point(offset, through), 1: Point(offset, through)}


def report(name: str = "mta-1", **over: object) -> GateReport:
    """A gate that is fresh at NOW."""
    applied = vector(500, NOW - S)
    made = GateReport(
        gate=f"{name}/1", name=name, host="mta.example.com", channel="email", list="suppression.email",
        started=NOW - 100 * S, written=NOW - S // 2, closing=False, phase="running", ready=True, trouble=None,
        generation=0, partitions=2, events=2, applied=applied, settled=applied, control=3, entries=1_234_567,
        staleness_limit=10 * S, staleness=S // 4,
    )  # fmt: skip
    return made._replace(**over)


def suppressed(*reasons: str) -> Standing:
    return Standing("SUPPRESSED", reasons, (), "ConsentWithdrawn")


def partial(*scopes: str) -> Standing:
    return Standing("PARTIAL", (), scopes, "ConsentGiven")


def change(
    before: Standing = BLANK, after: Standing = BLANK, *, channel: str = "email", received: int = NOW, **over: object
) -> Change:
    made = Change(
        "acme", channel, 1, received, "e-1", "/edge/one-click", "unsubscribe.oneclick", 0, 7, False, before, after
    )
    return made._replace(**over)


def headers(
    code: str, stage: str = "intake", place: tuple[str, int, int] = ("consent.events", 1, 42)
) -> tuple[tuple[str, bytes], ...]:
    topic, partition, offset = place
    told = {"code": code, "stage": stage, "topic": topic, "partition": partition, "offset": offset}
    ours = ((f"consent-error-{name}", str(value).encode()) for name, value in told.items())
    return (("content-type", b"application/json"), *ours)


def ends(events: int = 500) -> dict[str, dict[int, int]]:
    return {
        EVENTS.name: {0: events, 1: events},
        LEDGER.name: {0: events + 100, 1: events + 100},
        CHANGES.name: {0: events // 2, 1: events // 2},
        QUARANTINE.name: {0: 2, 1: 1},
    }


def filled(*, stopped: bool = False) -> Model:
    """A deployment in the middle of a working day."""
    model = Model()
    flow = model.flow
    for at in range(0, 900, 2):
        flow.sample(NOW - 900 * S + at * S, ends(100_000 + 40 * at + (at // 60) ** 2))
    newest = flow.end(EVENTS.name) // 2
    flow.report(Progress("intake", 0, -1, vector(newest, NOW - S // 3), (9, 9)))
    for q in (0, 1):
        flow.report(Progress("state", 1, q, vector(newest - 30 * q, NOW - S // 2 - 3 * q * S), (9, 9)))
        flow.report(Progress("state", 2, q, vector(newest - 60, NOW - 4 * S), (9, 9)))
    model.group = Group("stable", (Worker("worker-1", "10.0.0.11", 1, 1), Worker("worker-2", "10.0.0.12", 1, 1)))
    for name, over in (
        ("mta-1", {}), ("mta-2", {"staleness": 42 * S}), ("mta-3", {"written": NOW - 60 * S}),
        ("sms-1", {"channel": "sms", "list": "suppression.sms", "entries": 8400}),
    ):  # fmt: skip
        model.gatesheet.hear(report(name, **over), NOW)
    model.edge(EdgeBeat("edge-1", NOW - 9 * HOUR, NOW - S // 2, (500, 500)))
    for key, value in (
        encode_policy({"acme": {}, "globex": {}}), encode_partitions(Partitions(2, 2)),
        encode_active(Active(0, "ops", "", NOW)),
    ):  # fmt: skip
        model.control.take(key, value)
    if stopped:
        model.control.take(*encode_stop("acme", "email", Stop(True, "wrong template", "ops", NOW - 60 * S)))
    _two_days(model)
    for at in range(3):
        code = ("not_cloudevent", "unknown_type", "not_cloudevent")[at]
        model.quarantined.add(held((0, 40 + at), NOW - at * HOUR, None, b"unsubscribe ana@example.com", headers(code)))
    model.quarantined.note(encode_mark(Mark(DROPPED, NOW, "ops", "a test", ((0, 42),))))
    model.caught_up = True
    model.hear(NOW - S)
    return model


def _two_days(model: Model) -> None:
    for hour in range(48):
        for each in range(3 + (hour * 7) % 11):
            after = suppressed("unsubscribed") if each % 3 else partial("news/weekly", "offers")
            model.optouts.add(change(BLANK, after, received=NOW - (47 - hour) * HOUR))
    model.optouts.add(change(BLANK, suppressed("complaint"), received=NOW, type="feedback.complaint", tenant="globex"))
    model.optouts.add(change(BLANK, suppressed("sms_stop"), received=NOW, type="sms.inbound", channel="sms"))
