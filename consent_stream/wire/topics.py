"""Every topic, declared once, and what is wrong with one that stands in a cluster.

A setting that decides whether a "no" can vanish is fatal when wrong: the worker refuses to start on it. The rest is a
difference that `consent-stream topics apply` puts right.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

HOUR = 3_600_000
DAY = 24 * HOUR
MIB = 1024 * 1024

PARTITIONS = 8  # at least 4 for each worker; chosen once, a change is a rebuild into new topics
LARGEST_EVENT = 2 * MIB  # accepted from anyone, so that too large ones end in quarantine and not at the sender's broker


@dataclass(frozen=True)
class Topic:
    """One topic: what it is for, and the settings it must have.

    retention_ms: how long records stay (delete topics). shares_partitions: its partition count equals the ledger's, for
    a slice of the ledger writes its state and suppression records into the partition of the same number.
    partitions: the default count; `fixed` when no other count works. rebuilt: each generation has its own, for it
    follows from `consent.events` and is made anew by a rebuild; the others are shared by all generations.
    """

    name: str
    key: str
    cleanup: Literal["delete", "compact", "compact,delete"]
    doc: str
    retention_ms: int | None = None
    partitions: int = PARTITIONS
    fixed: bool = False
    shares_partitions: bool = False
    rebuilt: bool = False
    config: Mapping[str, str] = field(default_factory=dict, hash=False)

    def full(self, prefix: str = "", generation: int = 0) -> str:
        """The name in the cluster: `prefix` (may be empty) put before, and the generation behind, but for the first."""
        return of_generation(prefix + self.name, generation if self.rebuilt else 0)

    def settings(self, replication: int) -> dict[str, str]:
        """The topic-level configuration, all of it, for `replication` copies of each partition."""
        retention = {} if self.retention_ms is None else {"retention.ms": str(self.retention_ms)}
        return {
            "cleanup.policy": self.cleanup,
            **retention,
            # One copy may be lost without stopping and without losing a record that was proven.
            "min.insync.replicas": str(max(1, replication - 1)),
            # A replica that lags must not become the leader: it would take proven withdrawals back.
            "unclean.leader.election.enable": "false",
            **self.config,
        }


def of_generation(name: str, generation: int) -> str:
    """The full name of a topic that is rebuilt, from that of the first generation."""
    return f"{name}.g{generation}" if generation else name


def generation_of(name: str) -> int:
    """The generation in a full name of a topic that is rebuilt."""
    found = re.search(r"\.g([1-9]\d*)$", name)
    return int(found.group(1)) if found else 0


# All that is kept of one person is bounded (registers), and so is what one event can say; at their longest, ids, scopes
# and names come to some 20 MiB. A record that a broker refuses would stop its partition, and everyone in it, for good.
LARGEST_KEPT = 32 * MIB
LARGEST_QUARANTINED = LARGEST_KEPT + 64 * 1024  # the same bytes, of an event or a fact, and their error headers

# Heartbeats come several times a second under one key: short segments let compaction take the old ones away, or a gate
# that starts would read a week of them. Compaction within six hours also bounds how long an overwritten value is read.
_COMPACTED_LIVELY = {
    "segment.ms": str(HOUR),
    "segment.bytes": str(64 * MIB),
    "min.cleanable.dirty.ratio": "0.1",
    "max.compaction.lag.ms": str(6 * HOUR),
    "max.message.bytes": str(LARGEST_KEPT),
}
# A reader that was away for less than this still sees every tombstone.
_SUPPRESSION = {**_COMPACTED_LIVELY, "delete.retention.ms": str(30 * DAY)}

EVENTS = Topic(
    "consent.events", "any", "delete", "events in; the only topic with plain addresses", 7 * DAY,
    config={
        # The append time is the one clock that no sender controls: an event's interval hangs on it (time of a fact).
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(LARGEST_EVENT),
        # Kafka deletes whole segments: with its default of a week each, an address could stay for two.
        "segment.ms": str(6 * HOUR),
    },
)  # fmt: skip
LEDGER = Topic(
    "consent.ledger", "subject key", "delete", "qualified facts: evidence, rebuild", 3650 * DAY, shares_partitions=True,
    rebuilt=True,
    config={"max.message.bytes": str(LARGEST_KEPT)},
)  # fmt: skip
STATE = Topic(
    "consent.state", "subject key", "compact", "all registers of a key: recovery, analytics", shares_partitions=True,
    rebuilt=True,
    config=_COMPACTED_LIVELY,
)  # fmt: skip
SUPPRESSION = {
    channel: Topic(
        f"suppression.{channel}", "subject key", "compact", f"who may not be reached ({channel}): mailers",
        shares_partitions=True, rebuilt=True, config=_SUPPRESSION,
    )
    for channel in ("email", "sms", "sharing")
}  # fmt: skip
CHANGES = Topic(
    "consent.changes", "subject key", "delete", "what changed, by which event: analytics, on-call", 400 * DAY,
    rebuilt=True, config={"max.message.bytes": str(LARGEST_KEPT)},
)  # fmt: skip
QUARANTINE = Topic(
    "consent.quarantine", "original", "delete", "what was not understood, byte for byte: on-call", 90 * DAY,
    config={"max.message.bytes": str(LARGEST_QUARANTINED), "segment.ms": str(DAY)},
)  # fmt: skip
PROGRESS = Topic(
    "consent.progress", "none", "delete", "who has applied what: freshness", DAY, partitions=1, fixed=True,
    rebuilt=True,
    config={"segment.ms": str(HOUR)},
)  # fmt: skip
CONTROL = Topic(
    "consent.control", "name", "compact", "partition counts, generation, kill switch", partitions=1, fixed=True,
)  # fmt: skip

SENDS = Topic(
    "consent.sends", "subject key", "delete", "what was handed over or held back, by which answer: mailers", 400 * DAY,
)  # fmt: skip
GATES = Topic(
    "consent.gates", "gate id", "compact,delete", "what each gate enforces by now: barriers", DAY, partitions=1,
    fixed=True,
    # A report a second and gate, and only the newest matters: barriers read it whole, and must not read a day of them.
    config={"segment.ms": str(HOUR // 6), "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": str(HOUR)},
)  # fmt: skip
EDGES = Topic(
    "consent.edges", "edge id", "compact", "up to when what each edge answered is in consent.events: freshness",
    partitions=1, fixed=True,
    # A beat twice a second and edge, and only the newest matters: workers read it whole when they start.
    config={"segment.ms": str(HOUR // 6), "min.cleanable.dirty.ratio": "0.1", "max.compaction.lag.ms": str(HOUR)},
)  # fmt: skip
REPLIES = Topic(
    "sms.replies", "subject key", "delete", "one answer at most to a STOP, START or HELP: who sends texts", HOUR,
    partitions=1, fixed=True,  # an edge reads it back before it answers, so that a text is answered once
    config={"segment.ms": str(HOUR // 6)},
)  # fmt: skip
AUDIT = Topic(
    "consent.audit", "none", "delete", "who stopped or resumed sending or switched lists", 3650 * DAY, partitions=1,
    fixed=True,
)  # fmt: skip

TOPICS: tuple[Topic, ...] = (
    EVENTS, LEDGER, STATE, *SUPPRESSION.values(), CHANGES, QUARANTINE, PROGRESS, CONTROL, SENDS, GATES, EDGES, REPLIES,
    AUDIT,
)  # fmt: skip


@dataclass(frozen=True)
class LiveTopic:
    """A topic as a cluster describes it. config: None where the broker has no topic settings (the embedded one)."""

    partitions: int
    replication: int
    config: Mapping[str, str] | None


@dataclass(frozen=True)
class Difference:
    """One thing about a topic that is not as declared. topic: full name. found: None when there is no such topic."""

    topic: str
    setting: str
    wanted: str
    found: str | None
    fatal: bool
    why: str = ""

    def __str__(self) -> str:
        because = f": {self.why}" if self.why else ""
        if self.found is None:
            return f"topic {self.topic} is missing{because}"
        return f"topic {self.topic}: {self.setting} is {self.found}, not {self.wanted}{because}"


def differences(live: Mapping[str, LiveTopic], prefix: str = "", generation: int = 0) -> list[Difference]:
    """Everything in `live` (full name → topic; absent when missing) that is not as declared, in the order of TOPICS."""
    found: list[Difference] = []
    for topic in TOPICS:
        name = topic.full(prefix, generation)
        if name not in live:
            found.append(Difference(name, "topic", "there", None, True, "consent-stream topics apply makes it"))
            continue
        found += _partition_faults(topic, name, live, prefix, generation)
        found += _setting_faults(topic, name, live[name])
    return found


def fatal(found: Iterable[Difference]) -> list[Difference]:
    """Those on which a worker must not start."""
    return [each for each in found if each.fatal]


def _partition_faults(
    topic: Topic, name: str, live: Mapping[str, LiveTopic], prefix: str, generation: int
) -> Iterable[Difference]:
    count = live[name].partitions
    if topic.fixed and count != topic.partitions and live[name].config is not None:
        why = "its readers look at partition 0 alone"
        yield Difference(name, "partitions", str(topic.partitions), str(count), True, why)
    ledger = live.get(LEDGER.full(prefix, generation))
    if topic.shares_partitions and ledger is not None and count != ledger.partitions:
        # A list made anew alone would stay empty: what is known already is not written again.
        with_it = "" if topic is STATE else f" and {STATE.full(prefix, generation)}"
        why = f"it must have as many as {LEDGER.full(prefix, generation)}; make it{with_it} anew while no worker runs"
        yield Difference(name, "partitions", str(ledger.partitions), str(count), True, why)


def _setting_faults(topic: Topic, name: str, live: LiveTopic) -> Iterable[Difference]:
    if live.config is None:
        return
    for setting, wanted in topic.settings(live.replication).items():
        found = live.config.get(setting, "unset")
        if setting == "min.insync.replicas":
            yield from _insync_faults(name, int(wanted), found, live.replication)
        elif _canonical(found) != _canonical(wanted):
            why = _why_fatal(topic, setting)
            yield Difference(name, setting, wanted, found, bool(why), why)


def _insync_faults(name: str, wanted: int, found: str, replication: int) -> Iterable[Difference]:
    count = int(found) if found.isdigit() else 0
    if count > replication:
        why = f"with {replication} replicas no write is ever accepted"
        yield Difference(name, "min.insync.replicas", str(wanted), found, True, why)
    elif count < wanted:
        yield Difference(name, "min.insync.replicas", str(wanted), found, False)


def _why_fatal(topic: Topic, setting: str) -> str:
    """Why a wrong value of `setting` must stop a worker; empty when it need not."""
    if setting == "message.timestamp.type":
        return "an event would carry its sender's clock, and a late withdrawal could lose"
    if setting != "cleanup.policy" or topic is GATES:  # reports of gates: whichever stay, the newest is among them
        return ""
    if topic.cleanup == "compact":
        return "a 'no' could expire"
    return "records would be overwritten by later ones, or refused for want of a key"


def _canonical(value: str) -> str:
    """Kafka keeps lists and numbers as it was told them: ` a, b` is `a,b`, 0.10 is 0.1."""
    try:
        return repr(float(value))
    except ValueError:
        return ",".join(sorted(part.strip() for part in value.split(",")))


def torn(known: Mapping[str, str], found: Mapping[str, str], prefix: str = "", generation: int = 0) -> str | None:
    """Why topics no longer belong together: some were made anew (their ids differ) and others not. None: they do.

    Shapes: full name → topic id, of ledger, state and lists, as recorded and as found.
    The state is folded from the ledger and the lists are written when it changes. So a new state is filled again and
    fills the lists again; but a new list beside the old state stays empty and allows, and a new ledger counts versions
    from 1, so that readers, who keep the greater version, would keep what was before the next "no".
    """
    anew = {name for name in known if found.get(name) != known[name]}
    if not anew or anew == set(known):
        return None
    kept = ", ".join(sorted(set(known) - anew))
    ledger, state = LEDGER.full(prefix, generation), STATE.full(prefix, generation)
    if ledger in anew:
        return f"{ledger} was made anew, but not {kept}: its versions would be taken for old ones"
    lists = sorted(anew - {state})
    if lists and state not in anew:
        return (
            f"{', '.join(lists)} was made anew, but not {state}: it would stay empty; "
            f"make {state} anew as well, and all of them are filled again from the ledger"
        )
    return None
