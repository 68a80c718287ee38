"""One message on its way out: ask, ask again right before the hand-over, and tell `consent.sends` what became of it.

    with gate.sending(tenant="acme", email="ana@example.com", scope="news", message_id="m-17") as permit:
        if permit.ensure():
            smtp.send_message(...)

1. `permit` is falsy when it is no; it asks again by itself when its answer has lapsed.
2. `permit.ensure()` asks anew and says that the hand-over begins now, if the answer is yes.
3. Who hands over without `ensure` is taken to have done so when the block ends; who neither looked at the answer nor
   said anything is recorded as `unclear`, and counted as a hand-over. What a mailer leaves out is held against it.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from types import TracebackType
from typing import Protocol

from consent_stream.gate.checker import Clock
from consent_stream.gate.question import Asked, Question, Subjects, subjects
from consent_stream.gate.verdict import Verdict
from consent_stream.wire.keys import Keyring
from consent_stream.wire.send import FAILED, HANDED_OVER, HELD_BACK, NOT_ATTEMPTED, UNCLEAR, Send

LONGEST_MESSAGE_ID = 256  # bytes
FACTS_BYTES = 16 * 1024  # of event ids in one record: a sender of events may choose long ones


class SendLog(Protocol):
    """Where sends are written. It never raises and never waits: a send is not held up by its bookkeeping."""

    @property
    def sender(self) -> str:
        """Name of the mailer."""

    @property
    def gate(self) -> str:
        """Id of this gate."""

    def write(self, send: Send) -> None:
        """Take one record."""


class Desk:
    """Makes the permits of one gate.

    ask: `Gate.check` of a question. channel: of the list. keyring: None when there is none.
    """

    def __init__(
        self, ask: Callable[[Question], Verdict], channel: str, keyring: Keyring | None, clock: Clock, log: SendLog
    ) -> None:
        self.ask, self.channel, self.clock, self.log = ask, channel, clock, log
        self._current = keyring.current if keyring is not None else 0
        # Not remembered: it would be a second copy of what the checker keeps, for something asked once a message.
        self._subjects: Subjects = unwrap(subjects(keyring))

    def sending(self, question: Question, message_id: str) -> Sending:
        """The block for one message. Errors: ValueError for a message id that is none."""
        _refuse(question, message_id)
        return Sending(self, question, message_id)

    def keys(self, q: Question) -> Asked:
        """The subject keys that the answer to a question rests on, the address under the current key id first."""
        asked = self._subjects(q.tenant, q.email, q.phone, q.key, q.contact, q.region)
        first = sorted(asked.keys, key=lambda key: (key[1:2] != b"a", key[2] != self._current))
        return asked._replace(keys=tuple(first))


class Sending:
    """A context manager: asks on entry, gives the permit, records on exit. An error in the block goes on its way."""

    def __init__(self, desk: Desk, question: Question, message_id: str) -> None:
        self._desk, self._question, self._message_id = desk, question, message_id
        self._permit: Permit | None = None

    def __bool__(self) -> bool:
        raise TypeError("sending() is no answer: write `with gate.sending(...) as permit:`")

    def __enter__(self) -> Permit:
        if self._permit is not None:
            raise RuntimeError("one message, one block: call sending() again")
        self._permit = Permit(self._desk, self._question)
        return self._permit

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._permit is not None
        self._permit.close()
        self._desk.log.write(self._record(self._permit, failed=error is not None))

    def _record(self, permit: Permit, *, failed: bool) -> Send:
        desk, q, verdict = self._desk, self._question, permit.counted
        asked, facts = desk.keys(q), _fitting(permit.counted.facts)
        return Send(
            tenant=_clean(q.tenant),
            channel=desk.channel,
            purpose=_clean(q.purpose),
            scope=_clean(q.scope),
            message_id=self._message_id,
            sender=desk.log.sender,
            gate=desk.log.gate,
            keys=asked.keys,
            bases=asked.bases,
            address_channel=asked.channel or ("" if desk.channel == "sharing" else desk.channel),
            bare=q.key is not None,
            checked=permit.checked,
            started=permit.started,
            ended=max(desk.clock.wall(), permit.started or permit.checked),  # a clock may be set back meanwhile
            outcome=permit.outcome(failed=failed),
            allow=verdict.allow,
            reasons=verdict.reasons,
            facts=facts,
            facts_left_out=len(verdict.facts) - len(facts),
            version=verdict.version,
            applied_through=verdict.applied_through,
            valid_until=verdict.valid_until,
        )


class Permit:
    """The answer for one message, kept true while its block lasts. True in a condition exactly when it may be sent.

    Not for several threads at once, and of no use after its block: then it is falsy.
    """

    def __init__(self, desk: Desk, question: Question) -> None:
        self._desk, self._question = desk, question
        self._looked = self._skipped = self._closed = False
        self._begun: tuple[int, Verdict] | None = None  # the answer by which the hand-over began, and when
        self._check()

    def __bool__(self) -> bool:
        """Whether it may be sent, by an answer that holds now."""
        return self.verdict.allow and not self._closed

    def __repr__(self) -> str:
        return f"<Permit {self._verdict!r}>"

    @property
    def verdict(self) -> Verdict:
        """The answer. One that was yes and has lapsed is asked for again."""
        self._looked = True
        if self._verdict.allow and self._lapsed and not self._closed:
            self._check()
        return self._verdict

    def ensure(self) -> Verdict:
        """Ask anew, right before the hand-over: falsy, and nothing may be sent; truthy, and the hand-over begins now.

        Returns: the new answer; a denial may have become a yes, as where the gate was stale. Call it again before each
        try. Errors: RuntimeError after the block.
        """
        if self._closed:
            raise RuntimeError("the block of this permit has ended: what happens now is in no record")
        self._looked, self._skipped = True, False
        self._check()
        self._begun = (self._checked, self._verdict) if self._verdict else None
        return self._verdict

    def skip(self) -> None:
        """Say that the message is not handed over, though it might be: recorded as `not_attempted`."""
        self._skipped, self._begun = True, None

    def outcome(self, *, failed: bool) -> str:
        """What became of the message, from what was looked at and said. failed: the block ended by an error."""
        if self._skipped:
            return NOT_ATTEMPTED
        if self._looked and not self.counted.allow:
            return HELD_BACK
        if failed:
            return FAILED
        return HANDED_OVER if self._looked else UNCLEAR

    def close(self) -> None:
        """End it: what is handed over from now on would be in no record."""
        self._closed = True

    @property
    def started(self) -> int | None:
        """When the hand-over began, in microseconds; None where that was not said."""
        return None if self._begun is None else self._begun[0]

    @property
    def counted(self) -> Verdict:
        """The answer by which the hand-over began, or else the last one."""
        return self._verdict if self._begun is None else self._begun[1]

    @property
    def checked(self) -> int:
        """When `counted` was asked for, in microseconds."""
        return self._checked if self._begun is None else self._begun[0]

    @property
    def _lapsed(self) -> bool:
        clock = self._desk.clock
        # By both clocks: a wall clock set back must not lengthen an answer's life.
        lasted = max(clock.wall() - self._checked, clock.steady() - self._steady)
        return self._checked + lasted >= self._verdict.valid_until

    def _check(self) -> None:
        clock = self._desk.clock
        self._checked, self._steady = clock.wall(), clock.steady()
        self._verdict = self._desk.ask(self._question)


def _refuse(q: Question, message_id: str) -> None:
    try:
        size = len(message_id.encode())
    except (AttributeError, UnicodeEncodeError) as error:
        raise ValueError("message_id: text is needed") from error
    if not 0 < size <= LONGEST_MESSAGE_ID:
        raise ValueError(f"message_id: 1 to {LONGEST_MESSAGE_ID} bytes, not {size}")
    if any(address and address.casefold() in message_id.casefold() for address in (q.email, q.phone)):
        raise ValueError("message_id: it holds the address, which must not stand in consent.sends")


def _fitting(facts: tuple[str, ...]) -> tuple[str, ...]:
    """As many as fit into a record."""
    left, found = FACTS_BYTES, []
    for fact in facts:
        left -= len(fact.encode())
        if left < 0:
            break
        found.append(fact)
    return tuple(found)


def _clean(text: str) -> str:
    """A text that has bytes: what a mailer asks may hold lone surrogates, and is then denied."""
    return text if text.isascii() else text.encode(errors="replace").decode()
