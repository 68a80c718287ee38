"""The gate: what a mailer imports, and asks right before it hands a message over."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any, Self

from consent_stream.domain.policy import Policy
from consent_stream.gate.checker import Checker
from consent_stream.gate.clock import Clock
from consent_stream.gate.explaining import Explanation, explain
from consent_stream.gate.follower import Follower
from consent_stream.gate.known import Phase
from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.question import Question
from consent_stream.gate.reading import Reading
from consent_stream.gate.replica import MemoryReplica, Replica
from consent_stream.gate.reporting import Author, Reporter
from consent_stream.gate.sending import Desk, Sending
from consent_stream.gate.sendlog import KafkaSendLog
from consent_stream.gate.sift import Sifted, sift
from consent_stream.gate.source import Source
from consent_stream.gate.stored import StoredReading
from consent_stream.gate.traced import Applied
from consent_stream.gate.verdict import Verdict
from consent_stream.keyfile import load_keyring
from consent_stream.settings import Settings
from consent_stream.tracing import Traces
from consent_stream.wire.keys import Keyring
from consent_stream.wire.topics import SUPPRESSION

MOMENT = 256  # questions that share one reading of the clocks
Receipt = tuple[int, int] | str


@dataclass(frozen=True)
class Status:
    """How a gate stands. Times as in `Verdict`; `settled_*` are for questions without a contact.

    ready: answers are given now. trouble: one line on what is wrong, None when nothing is. entries: keys with a row.
    alarms: how often something came that should not: `null_value`, `unreadable_value`, `foreign_key`, …; and what was
    not taken: `sends_lost`, `reports_refused`.
    silent: partitions of the list that have not yet spoken for every partition of `consent.events`.
    clock_behind: seconds that a writer's clock is before ours; beyond the limit nothing counts as fresh.
    generation: of the list that is read; 0 is the first.
    """

    list: str
    phase: Phase
    ready: bool
    trouble: str | None
    entries: int
    alarms: Mapping[str, int]
    applied_through: int | None
    staleness: float | None
    settled_through: int | None
    settled_staleness: float | None
    silent: tuple[int, ...]
    clock_behind: float
    generation: int = 0


class Gate:
    """A replica of one suppression list, kept up to date by a thread, and the answers from it.

        with Gate(bootstrap="kafka:9092", keys="keys.toml", channel="email") as gate:
            gate.wait_ready(60)
            if gate.check(tenant="acme", email="ana@example.com", contact="c-42", scope="news"):
                ...

    settings: or its fields by name (`bootstrap`, `keys`, `topic_prefix`, `security_protocol`, …). keys: a root key file
    or a `Keyring`; without any, every question is answered `unknown_tenant_key`. channel: `email`, `sms` or `sharing`.
    policy: decide by this one and not by the one that the worker publishes. staleness_limit: seconds an answer may be
    behind what was accepted. store: a directory for a replica that is warm at the next start, or a `Replica`; default
    in memory. follow: False to read a directory that another process keeps up to date, `consent-stream gate follow` or
    another gate: no thread, no link to Kafka, and any number of such processes. report: say once a second in
    `consent.gates` how far this gate has got, as `consent-stream barrier` needs it; False for one that no mailer asks.
    traces: where spans are left of records that it obeys.

    Starting does not wait: a Kafka that is away shows in `status()`, and every answer is a denial until it is there.
    Errors: SettingsError, KeyFileError, ValueError or TypeError for a wrong argument; ReplicaFault for a bad store.
    After `fork` only the parent has the thread: make the gate in the process that asks. (A forked copy grows stale and
    denies. One with follow=False goes on in both.)
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        channel: str = "email",
        keys: Keyring | Path | str | None = None,
        policy: Policy | None = None,
        staleness_limit: float = 10.0,
        store: Replica | PathLike[str] | str | None = None,
        follow: bool = True,
        report: bool = True,
        clock: Clock | None = None,
        traces: Traces | None = None,
        **kafka: Any,
    ) -> None:
        if settings is not None and kafka:
            raise ValueError(f"settings, or single ones, not both: {', '.join(sorted(kafka))}")
        if not staleness_limit > 0:
            raise ValueError("staleness_limit: more than 0 seconds")
        unknown = kafka.keys() - {each.name for each in fields(Settings)}
        if unknown:
            raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
        settings = settings or Settings.read(kafka, environ={})
        source = Source.of(channel, settings.topic_prefix)
        keyring = _keyring(keys if keys is not None else settings.keys)
        clock = clock or Clock()
        self._list = source.suppression
        self._sends = KafkaSendLog(settings)
        self._reading: Reading | StoredReading
        self._follower: Follower | None = None
        self._reporter: Reporter | None = None
        if follow:
            self._reading = reading = Reading(_replica(store), policy, clock)
            applied = None if traces is None else Applied(traces, self._sends.sender)
            self._follower = Follower(settings, source, reading, clock, applied)
        elif isinstance(store, str | PathLike):
            self._reading = StoredReading(Path(store), SUPPRESSION[channel].name, policy, clock)
        else:
            raise ValueError("follow=False: store must be the directory that another process keeps up to date")
        self._checker = Checker(channel, self._reading, keyring, staleness_limit, clock)
        self._desk = Desk(lambda asked: self.check(**asked._asdict()), channel, keyring, clock, self._sends)
        if self._follower is not None:
            self._follower.start()
        if self._follower is not None and report:
            author = Author(self._who, channel, staleness_limit, reading, self._follower, self.status, clock)
            self._reporter = Reporter(settings, author.compose)
            self._reporter.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Gate on {self._list}: {self._reading.phase}>"

    def close(self) -> None:
        """End the thread and close the store. Every later answer is `not_ready`."""
        if self._reading.phase != "closed":
            self._sends.close()
            if self._follower is not None:
                self._follower.close()
            self._reading.close()
            if self._reporter is not None:
                self._reporter.close()
            if isinstance(self._reading, Reading):
                self._reading.replica.close()

    def check(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        key: str | None = None,
        contact: str | None = None,
        region: str | None = None,
        purpose: str = "marketing",
        scope: str = "*",
        at: int | datetime | None = None,
    ) -> Verdict:
        """May this be sent to this one address? Microseconds, no I/O beyond the replica, nothing raised by it.

        email, phone, key: exactly one. phone: E.164, or national with `region` (two letters). key: a subject key in
        hex, as signed links carry it; opt-outs of the address's base form are then not seen, and while several root
        keys are live no answer is given. contact: the tenant's own id of the person, when known: it needs less time
        until an event is enforced. at: decide for that instant (microseconds or an aware datetime); default now.

        Returns: a `Verdict`. Reasons of the gate itself come first. `not_ready`: the replica is still loading, was
        refused, or has an unreadable row of this very key; then only what is known to forbid stands beside it.
        `stale`: no proof that everything accepted up to `staleness_limit` ago is in. `unknown_tenant_key`: no key
        material. `bad_address`, `unknown_purpose` (or a scope that is none) stand alone.
        All purposes are denied while not ready or stale, `transactional` and `legal_required` too: there is no policy
        that says otherwise yet, and what is unknown is no permission.

        Errors: ValueError for a question that no gate of this channel can be asked.
        """
        asked = Question(tenant, email, phone, key, contact, region, purpose, scope, at)
        return self._checker.ask(asked, self._checker.moment(settled=contact is None))

    def sending(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        key: str | None = None,
        contact: str | None = None,
        region: str | None = None,
        purpose: str = "marketing",
        scope: str = "*",
        message_id: str,
    ) -> Sending:
        """One message on its way out, as a block: asked on entry, asked again by `permit.ensure()` right before the
        hand-over, and told to `consent.sends` on leaving (see `consent_stream.gate.sending`).

            with gate.sending(tenant="acme", email="ana@example.com", scope="news", message_id="m-17") as permit:
                if permit.ensure():
                    smtp.send_message(...)

        message_id: your own id of the message, at most 256 bytes, without the address. The rest as in `check`.
        Errors: ValueError as in `check`, or for the id. An error in the block goes on its way. Records of sends never
        hold up a send and never raise: those that are lost are counted as `sends_lost` in `status().alarms`.
        """
        asked = Question(tenant, email, phone, key, contact, region, purpose, scope)
        return self._desk.sending(asked, message_id)

    def check_many(self, questions: Iterable[Question | Mapping[str, Any]]) -> list[Verdict]:
        """Answers in the order of the questions; each is a `Question`, or the arguments of `check` by name.

        All are of now: for a long list ask in parts of a few hundred, so that the first answers are not old when the
        last are there, and Python's collector of garbage has few of them to look at.
        """
        verdicts: list[Verdict] = []
        for number, each in enumerate(questions):
            if number % MOMENT == 0:
                moments = self._checker.moments()
            asked = each if isinstance(each, Question) else Question(**each)
            verdicts.append(self._checker.ask(asked, moments[asked.contact is None]))
        return verdicts

    def sift(
        self,
        *,
        tenant: str,
        emails: Sequence[str] | None = None,
        phones: Sequence[str] | None = None,
        contacts: Sequence[str | None] | None = None,
        region: str | None = None,
        purpose: str = "marketing",
        scope: str = "*",
    ) -> Sifted:
        """Which of many addresses may be sent to, all of one moment: for a list that is cleaned, and asked again later.

        emails, phones: exactly one. contacts: one for each address, None where it is not known. The rest, and the
        reasons, as in `check`. Ask in parts of a few thousand. Errors: ValueError as in `check`.
        """
        return sift(self._checker, tenant, emails, phones, contacts, region, purpose, scope)

    def explain(
        self,
        *,
        tenant: str,
        email: str | None = None,
        phone: str | None = None,
        key: str | None = None,
        contact: str | None = None,
        region: str | None = None,
        purpose: str = "marketing",
        scope: str = "*",
        at: int | datetime | None = None,
    ) -> Explanation:
        """Why `check` answers as it does: its verdict, the keys that were looked up, every fact that concerns it and
        what that comes to, and the rules of the tenant. For people: slower than a check. Arguments, errors: as there.
        """
        return explain(self._checker, Question(tenant, email, phone, key, contact, region, purpose, scope, at))

    def wait_ready(self, seconds: float) -> bool:
        """Wait until answers are given: all that was in the topics at the start is read, and the lists are fresh.

        Returns: False when that is not so after `seconds`; `status().trouble` says why. Denials come either way.
        """
        return self._wait(seconds, lambda: not self._checker.moment(settled=True).gap)

    def wait_for(self, receipt: Receipt, timeout: float, *, contact: bool = False) -> bool:
        """Wait until an accepted event is enforced here, freshness and keys aside.

        receipt: (partition, offset) in `consent.events`, or "PARTITION:OFFSET". contact: enforced for questions that
        name the contact, which is sooner. Returns: False when not within `timeout` seconds.
        Errors: ValueError for a receipt that is none.
        """
        partition, offset = _receipt(receipt)

        def enforced() -> bool:
            heard = self._reading.freshness.offset(partition, settled=not contact)
            return heard > offset and not self._reading.storing  # in this order: what was heard of may be underway

        return self._wait(timeout, enforced)

    def status(self) -> Status:
        """How this gate stands, for logs, dashboards and health checks."""
        reading = self._reading
        applied, settled = self._checker.moments()
        trouble = reading.trouble or reading.why_incomplete
        if trouble is None and settled.gap:
            trouble = "no fresh heartbeats: is every worker running, and is its clock right?"
        ahead = settled.fresh.ahead / 1e6 if settled.fresh else 0.0
        return Status(
            list=self._list,
            phase=reading.phase,
            ready=not settled.gap,
            trouble=trouble,
            entries=len(reading),
            alarms=reading.told_alarms() + Counter(sends_lost=self._sends.lost, reports_refused=self._refused()),
            applied_through=applied.fresh and applied.fresh.through,
            staleness=applied.age / 1e6 if applied.fresh else None,
            settled_through=settled.fresh and settled.fresh.through,
            settled_staleness=settled.age / 1e6 if settled.fresh else None,
            silent=tuple(reading.freshness.missing()),
            clock_behind=max(0.0, ahead),
            generation=reading.freshness.generation,
        )

    def progress(self) -> tuple[int, int]:
        """Records of the list read since the session with Kafka began, and how many lay ahead of it then."""
        return self._reading.progress

    def _who(self) -> tuple[str, str]:
        return self._sends.gate, self._sends.sender

    def _refused(self) -> int:
        return 0 if self._reporter is None else self._reporter.refused

    def _wait(self, seconds: float, reached: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + seconds
        with self._reading.news:
            while not reached():
                left = deadline - time.monotonic()
                if left <= 0 or self._reading.phase == "closed":
                    return False
                self._reading.news.wait(min(left, self._reading.pace or left))
        return True


def _replica(store: Replica | PathLike[str] | str | None) -> Replica:
    if store is None:
        return MemoryReplica()
    if isinstance(store, str | PathLike):
        return LmdbReplica(Path(store))
    return store


def _keyring(keys: Keyring | Path | str | None) -> Keyring | None:
    if keys is None or isinstance(keys, Keyring):
        return keys
    return load_keyring(Path(keys))


def _receipt(receipt: Receipt) -> tuple[int, int]:
    try:
        partition, offset = map(int, receipt.split(":") if isinstance(receipt, str) else receipt)
    except (TypeError, ValueError) as error:
        raise ValueError("a receipt is (partition, offset) or PARTITION:OFFSET") from error
    return partition, offset
