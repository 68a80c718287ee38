"""All messages of a window against the ledger: who handed over after a withdrawal could be obeyed, and by how much.

Order matters: first the sends up to their end, then how far the ledger is whole, then the ledger up to its end. So
every fact accepted before a message that is judged is at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import KafkaException

from consent_stream.domain.policy import Policy
from consent_stream.inspection.evidence import Evidence
from consent_stream.inspection.late import PERMITTED, Judgement, Step, course, judge
from consent_stream.inspection.settled import Settled, await_settled
from consent_stream.inspection.topicread import Unread, read
from consent_stream.settings import Settings
from consent_stream.topics import read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import (
    ACTIVE,
    FIRST,
    PARTITIONS,
    POLICY,
    Partitions,
    decode_active,
    decode_partitions,
    decode_policy,
    named,
)
from consent_stream.wire.send import Send, decode_send
from consent_stream.wire.topics import CONTROL, LEDGER, SENDS

SLACK = 3_600_000_000  # microseconds by which clocks of mailers and brokers may differ: where to begin reading
Tell = Callable[[str, int, int], None]  # (what is done, how much of it, of how much)


class Window(NamedTuple):
    """Which messages. Units: microseconds, `until` exclusive. tenant, channel: None is all."""

    since: int | None = None
    until: int | None = None
    tenant: str | None = None
    channel: str | None = None

    def holds(self, send: Send) -> bool:
        """Whether a message falls into it, by its hand-over, or by the end of what became of it."""
        at = send.ended if send.handed_over_at is None else send.handed_over_at
        if (self.since is not None and at < self.since) or (self.until is not None and at >= self.until):
            return False
        return self.tenant in (None, send.tenant) and self.channel in (None, send.channel)


@dataclass
class Tally:
    """Of one sender: messages handed over and judged; those after a withdrawal; those without any permission."""

    sent: int = 0
    late: int = 0
    unpermitted: int = 0


@dataclass
class Report:
    """What was found. outcomes: records by outcome. unjudged: handed over so lately that facts may be missing.

    judged_through: microseconds; messages handed over before it are judged. unreadable: records that this version
    cannot read, and that may change the picture.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    senders: dict[str, Tally] = field(default_factory=dict)
    unsaid: int = 0  # handed over without a word of when it began
    unjudged: int = 0
    unreadable: int = 0
    judged_through: int = 0

    @property
    def total(self) -> Tally:
        """Of all senders."""
        found = self.senders.values()
        return Tally(*(sum(getattr(each, name) for each in found) for name in ("sent", "late", "unpermitted")))

    @property
    def whole(self) -> bool:
        """Whether every message of the window is judged, by all facts."""
        return not (self.unjudged or self.unreadable)


def find_late(
    settings: Settings, window: Window, evidence: Evidence, *, seconds: float = 10.0, tell: Tell = lambda *_: None
) -> Report:
    """Judge the messages of a window; the findings are in `evidence.lines()`.

    seconds: how long to wait until the workers have worked off what was accepted before the last message.
    Errors: Unread when Kafka, a topic, or a worker's control records cannot be read.
    """
    generation, policy, counts = in_force(settings)
    report, newest = Report(), 0
    begin = None if window.since is None else window.since - SLACK
    for batch in read(settings, SENDS, since=begin, told=lambda done, of: tell("sends", done, of)):
        read_ = ((_send(message.value(), report), message.value()) for message in batch)
        found = [(send, value) for send, value in read_ if send is not None and window.holds(send)]
        report.outcomes.update(send.outcome for send, _ in found)
        newest = max([newest, *(send.handed_over_at or 0 for send, _ in found)])
        evidence.add_sends(each for each in found if each[0].handed_over_at is not None)
    if not newest:
        return report
    settled = await_settled(settings, generation, counts, newest, seconds)
    report.judged_through = settled.through
    for batch in read(settings, LEDGER, generation, least=settled.ends, told=lambda done, of: tell("ledger", done, of)):
        evidence.add_facts((message.key(), message.value()) for message in batch)
    _judge(evidence, policy, settled, report, tell)
    report.unreadable += evidence.unreadable
    return report


def in_force(settings: Settings) -> tuple[int, Policy, Partitions]:
    """The generation that gates obey, and the policy and the partition counts that its workers publish.

    Errors: Unread.
    """
    name = CONTROL.full(settings.topic_prefix)
    try:
        control = read_control(settings)
        active = decode_active(control[ACTIVE]).generation if ACTIVE in control else FIRST.generation
        policy, counts = (control[named(name, active)] for name in (POLICY, PARTITIONS))
        return active, decode_policy(policy), decode_partitions(counts)
    except KafkaException as error:
        raise Unread(f"topic {name}: {error.args[0].str()}") from error
    except (KeyError, WireError) as error:
        raise Unread(f"topic {name}: no readable policy and partition counts: has a worker started?") from error


def _send(value: bytes | None, report: Report) -> Send | None:
    try:
        return decode_send(value or b"")
    except WireError:
        report.unreadable += 1
        return None


def _judge(evidence: Evidence, policy: Policy, settled: Settled, report: Report, tell: Tell) -> None:
    done, of = 0, sum(report.outcomes.values())
    for case, facts, sends in evidence.cases():
        rules, steps = policy.tenant(case.tenant), list[Step]()
        for send in sends:
            at = send.handed_over_at or 0
            if at >= settled.through:
                report.unjudged += 1
                continue
            # Most were permitted, and one answer says so; the course of all is for those that were not.
            if course(case, facts, rules, at, at)[-1].reasons:
                steps = steps or course(case, facts, rules, settled.through)
            found = judge(steps, at) if steps else PERMITTED
            tally = report.senders.setdefault(send.sender, Tally())
            tally.sent += 1
            tally.late += found.late
            tally.unpermitted += bool(found.reasons) and not found.late
            report.unsaid += send.started is None
            if found.reasons:
                by = at - found.since if found.late else None
                evidence.add_late(at, send.sender, by, _line(send, at, found))
            done += 1
            if done % 1000 == 0:
                tell("judging", done, of)


def _line(send: Send, at: int, found: Judgement) -> dict[str, Any]:
    """A finding as it is shown. Units: instants in microseconds, `late_ms` milliseconds."""
    fact = found.fact
    return {
        "late_ms": None if fact is None else (at - found.since) / 1000,
        "tenant": send.tenant,
        "channel": send.channel,
        "purpose": send.purpose,
        "scope": send.scope,
        "sender": send.sender,
        "gate": send.gate,
        "message_id": send.message_id,
        "key": send.keys[0].hex() if send.keys else None,
        "outcome": send.outcome,
        "handed_over_at": at,
        "said": send.started is not None,
        "answer": "allow" if send.allow else "deny",
        "applied_through": send.applied_through,
        "valid_until": send.valid_until,
        "kind": found.kind or None,
        "event": fact and fact.id,
        "source": fact and fact.source,
        "type": fact and fact.type,
        "received": fact and fact.received,
        "reasons": found.reasons,
    }


def summary(report: Report, evidence: Evidence) -> dict[str, Any]:
    """The report in plain values."""
    senders = sorted(report.senders.items())
    return {
        **_figures(report.total, evidence, None),
        "unsaid": report.unsaid,
        "unjudged": report.unjudged,
        "unreadable": report.unreadable,
        "judged_through": report.judged_through,
        "outcomes": dict(sorted(report.outcomes.items())),
        "senders": {name: _figures(tally, evidence, name) for name, tally in senders},
    }


def _figures(tally: Tally, evidence: Evidence, sender: str | None) -> dict[str, Any]:
    shares = (("p50_ms", 0.5), ("p99_ms", 0.99), ("max_ms", 1.0))
    found = {name: evidence.quantile(sender, share) for name, share in shares}
    return {
        "sent": tally.sent,
        "late": tally.late,
        "late_share": tally.late / tally.sent if tally.sent else 0.0,
        "without_permission": tally.unpermitted,
        **{name: None if value is None else value / 1000 for name, value in found.items()},
    }
