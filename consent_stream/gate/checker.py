"""The answer to "may this be sent": freshness, rows, the decision of the domain. No I/O but a look into the replica."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from inspect import unwrap
from typing import NamedTuple, Protocol

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import Decision, decide, question
from consent_stream.domain.facts import REASON_RANK, SMS
from consent_stream.domain.nodes import CHANNELLESS, PURPOSES, valid_scope
from consent_stream.domain.policy import DEFAULTS, Policy
from consent_stream.gate.clock import Clock as Clock
from consent_stream.gate.freshness import Fresh
from consent_stream.gate.known import Get, Known
from consent_stream.gate.question import Asked, Question, subjects
from consent_stream.gate.replica import ReplicaFault
from consent_stream.gate.rows import MARK, Row, read_row
from consent_stream.gate.shapes import NO_ROW, Shapes, glance, instant, moment_of
from consent_stream.gate.verdict import Verdict
from consent_stream.wire.keys import Keyring

DECODED = 16_384  # rows kept decoded, a kilobyte or two each
HOUR = 3_600_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What is said when nothing was found. A replica that is not all there cannot know that.
NOT_FOUND = frozenset(("expired", "evidence_too_low", "no_consent"))


class Moment(NamedTuple):
    """How it stands at one reading of the clocks. gap: `not_ready`, `stale` or empty. get: the rows of then, or newer.

    Not to be kept: it may hold on to the pages of a file.
    """

    wall: int
    fresh: Fresh | None
    age: int
    gap: str
    known: Known
    get: Get


Reasons = tuple[str, ...]
Quick = Callable[[str | None, str | None, str | None, str | None], Reasons | None]
Found = tuple[bool, bytes]  # whether it is the row of the base form, and the row


class _Answer(NamedTuple):
    """What was decided. ends: when grants end that count now, as far as it may matter."""

    decision: Decision
    version: int
    sound: bool
    ends: list[int]


class Readable(Protocol):
    """What a checker answers from: a `Reading` of this process, or a `StoredReading`."""

    alarms: Counter[str]

    @property
    def session(self) -> int:
        """Changes before rows may vanish."""

    def look(self) -> tuple[Known, Get]:
        """What is known now, and how to find rows that are at least as new."""


class Checker:
    """Answers from a reading.

    channel: of the list that is read. limit: seconds an answer may be behind.
    """

    def __init__(
        self, channel: str, reading: Readable, keyring: Keyring | None, limit: float, clock: Clock | None = None
    ) -> None:
        self.reading = reading
        self._channel = channel
        self._clock = clock or Clock()
        self._limit = int(limit * 1_000_000)
        self._keyring = keyring
        self._subjects = subjects(keyring)
        self._told: Mapping[str, str] | None = None
        self._same = True
        self._answers_for = lru_cache(1024)(self._has_purpose)
        self._shapes: tuple[Policy | None, Shapes] = (None, Shapes())
        self._beyond = (0, 0)
        self._row: Callable[[bytes], Row] = lru_cache(DECODED)(read_row)

    def moment(self, settled: bool) -> Moment:
        """Take it before any row is looked at: rows that come later can only say more."""
        return self._moment(settled, *self.reading.look())

    def moments(self) -> tuple[Moment, Moment]:
        """Both kinds, of one look: for questions that name a contact, and (`settled`) for those that name none."""
        known, get = self.reading.look()
        return self._moment(False, known, get), self._moment(True, known, get)

    def _moment(self, settled: bool, known: Known, get: Get) -> Moment:
        fresh = known.settled if settled else known.applied
        wall = self._clock.wall()
        control = known.control_at
        if fresh is None or control is None:
            return Moment(wall, None, 0, "stale" if known.complete else "not_ready", known, get)
        steady = self._clock.steady()
        age = max(wall - fresh.through, steady - fresh.since, steady - control, 0)  # of the list and of the switches
        gap = ""
        if not known.complete:
            gap = "not_ready"
        elif age > self._limit or fresh.ahead > self._limit:
            gap = "stale"
        return Moment(wall, fresh, age, gap, known, get)

    def ask(self, q: Question, moment: Moment) -> Verdict:
        """One answer, as of `moment`. Errors: ValueError for a question that no gate of this channel can be asked."""
        self._refuse(q)
        asked = self._subjects(q.tenant, q.email, q.phone, q.key, q.contact, q.region)
        if not asked.fault and not self._same_keys(moment.known.keys):
            asked = asked._replace(fault="unknown_tenant_key")
        if asked.fault == "bad_address":
            return _deny(("bad_address",), moment)
        if not self._answers_for(q.purpose, q.scope):
            return _deny(("unknown_purpose",), moment)
        if asked.fault:
            return _deny((moment.gap, asked.fault) if moment.gap else (asked.fault,), moment)
        found, whole = self._look(asked, moment.get)
        at = moment.wall if q.at is None else _instant(q.at)
        answer = self._decide(q, asked, found, at, moment)
        reasons, facts = answer.decision
        if moment.known.stops and moment.known.stopped(q.tenant, self._channel):
            reasons = ("stopped", *reasons)
        gap = moment.gap
        if not (whole and answer.sound) or moment.known.policy is None or self.reading.session != moment.known.session:
            gap = "not_ready"
        if gap:
            reasons = _with_gap(gap, reasons)
        if reasons:
            return _deny(reasons, moment, facts, answer.version)
        assert moment.fresh is not None  # no gap, so there is a proof
        # The proof of freshness ends, or the first grant does: with it a cleared restriction may stand again.
        until = min([moment.wall + self._limit - moment.age, *answer.ends])
        return Verdict(True, (), facts, answer.version, moment.fresh.through, moment.age / 1e6, until)

    def quick(self, tenant: str, purpose: str, scope: str, moment: Moment) -> Quick | None:
        """For many questions of one moment that has no gap and no kill switch: a function of (email, phone, contact,
        region) that answers by rows decided before; None where it cannot, and then `ask` can.

        Whoever uses it looks afterwards whether the session is still that of the moment.
        """
        policy, shapes, get = moment.known.policy, self._shapes[1], moment.get
        now, subjects, channel = instant(moment.wall), unwrap(self._subjects), self._channel
        if now is None or policy is None or self._shapes[0] is not policy:
            return None
        if not (self._same_keys(moment.known.keys) and self._answers_for(purpose, scope)):
            return None

        def answer(email: str | None, phone: str | None, contact: str | None, region: str | None) -> Reasons | None:
            if (email if channel == "sms" else phone if channel == "email" else None) is not None:
                return None
            asked = subjects(tenant, email, phone, None, contact, region)
            if asked.fault:
                return None
            found, whole = self._look(asked, get)
            if not whole or len(found) > 1 or (found and found[0][0]):
                return None
            seen = glance(found[0][1]) if found else NO_ROW
            if seen is None:
                return None
            decision = shapes.find(seen, now, (tenant, purpose, scope, asked.channel, ""))
            return None if decision is None else decision.reasons

        return answer

    def _refuse(self, q: Question) -> None:
        if (q.email is not None) + (q.phone is not None) + (q.key is not None) != 1:
            raise ValueError("name exactly one of email, phone and key")
        if (self._channel == "email" and q.phone is not None) or (self._channel == "sms" and q.email is not None):
            raise ValueError(f"a gate of channel {self._channel} knows no such addresses")

    def _same_keys(self, told: Mapping[str, str]) -> bool:
        """Whether our key file has the keys that the list is written with; with others nothing is ever found."""
        if told is not self._told:  # it changes when a worker starts
            ring = self._keyring
            self._same = ring is None or not (ring.differing(told) or ring.lacking(told))
            self._told = told
        return self._same

    def _has_purpose(self, purpose: str, scope: str) -> bool:
        """Whether the list holds what this purpose needs: `suppression.sharing` has the channelless purposes alone."""
        purposes = CHANNELLESS if self._channel == "sharing" else PURPOSES
        return purpose in purposes and valid_scope(scope)

    def _look(self, asked: Asked, get: Get) -> tuple[list[Found], bool]:
        """The rows that there are, and whether the replica could say so."""
        found: list[Found] = []
        try:
            if len(asked.keys) == 1 and not asked.bases:
                stored = get(asked.keys[0])
                return [] if stored is None else [(False, stored)], True
            for key in asked.keys:
                if (stored := get(key)) is not None:
                    found.append((False, stored))
            for key in asked.bases:
                if (stored := get(key)) is not None:
                    found.append((True, stored))
        except ReplicaFault:
            self.reading.alarms["replica_fault"] += 1
            return found, False
        return found, True

    def _decide(self, q: Question, asked: Asked, found: list[Found], at: int, moment: Moment) -> _Answer:
        """By a row like it that was decided before, else by the rules."""
        policy, mine = moment.known.policy, self._shapes
        if mine[0] is not policy:
            mine = self._shapes = (policy, Shapes())
        shapes = mine[1]
        seen = NO_ROW if not found else glance(found[0][1]) if len(found) == 1 and not found[0][0] else None
        now = instant(at)
        about = (q.tenant, q.purpose, q.scope, asked.channel, "bare" if asked.bare else "")
        if seen is not None and now is not None and (known := shapes.find(seen, now, about)) is not None:
            ends = [moment_of(each) for each in seen.untils if now < each < self._far(moment.wall)]
            return _Answer(known, seen.version, True, ends)
        views, version, sound = self._views(asked, found, q.tenant)
        rules = DEFAULTS if policy is None else policy.tenant(q.tenant)
        channel = asked.channel or self._channel_of(views)
        decision = decide(question(q.purpose, channel, q.scope), at, views, rules, channel)
        if asked.bare and not views and decision.allow:
            # Nobody can tell whose key it is: not known here, or another tenant's, is all the same, and no permission.
            decision = Decision(("no_consent",), ())
        if seen is not None and now is not None and sound and len(views) == len(found):
            shapes.remember(seen, now, about, decision)
        ends = [grant.valid_until for view in views for grant in view.registers.grants if grant.valid_until > at]
        return _Answer(decision, version, sound, ends)

    def _far(self, wall: int) -> int:
        """An instant behind the end of every proof of freshness, as it stands in a row."""
        since, far = self._beyond
        if not since <= wall < since + HOUR:
            far = instant(wall + HOUR + self._limit) or 1 << 64
            self._beyond = (wall, far)
        return far

    def _views(self, asked: Asked, found: list[Found], tenant: str) -> tuple[list[View], int, bool]:
        """The registers of the tenant's rows, the greatest version, and whether all of them can be relied on."""
        views: list[View] = []
        version, sound = 0, True
        for base, stored in found:
            row = self._row(stored)
            if row.tenant == tenant:
                views.append(View(row.registers, base))
                version = max(version, row.order[1])
            elif not asked.bare:  # a key made with this tenant's key material, with somebody else's row
                sound = False
            if not row.sound or row.channel != self._channel:
                sound = False
                if not stored.startswith(MARK):  # which was counted when it was made
                    self.reading.alarms["unreadable_row"] += 1
        return views, version, sound

    def _channel_of(self, views: list[View]) -> str:
        """The channel of a bare key. A list of one channel says it; a key of the sharing list may stand for a phone."""
        if self._channel != "sharing":
            return self._channel
        return "sms" if not views or views[0].registers.channels & SMS else "email"


def _deny(reasons: tuple[str, ...], moment: Moment, facts: tuple[str, ...] = (), version: int = 0) -> Verdict:
    if moment.fresh is None:
        return Verdict(False, reasons, facts, version, None, None, 0)
    return Verdict(False, reasons, facts, version, moment.fresh.through, moment.age / 1e6, 0)


def _instant(at: int | datetime) -> int:
    if not isinstance(at, datetime):
        return at
    if at.tzinfo is None:
        raise ValueError("at: a time zone is needed")
    return (at - EPOCH) // timedelta(microseconds=1)


def _with_gap(gap: str, reasons: tuple[str, ...]) -> tuple[str, ...]:
    """The gap goes first. What was found stands beside it; what was not found says nothing while rows are missing."""
    if gap == "not_ready":
        reasons = tuple(reason for reason in reasons if reason not in NOT_FOUND)
    return tuple(sorted((gap, *reasons), key=REASON_RANK.__getitem__))
