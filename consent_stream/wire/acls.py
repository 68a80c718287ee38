"""What each role may do in Kafka, declared once: the least with which its processes work, and nothing beside it.

1. A role is named after a process. Somebody who has two roles is two rows: `acls apply` twice.
2. Who writes a list, or the ledger, decides who is mailed; who reads `consent.events` or `consent.quarantine` reads
   plain addresses. These four are given to as few as can be.
3. Topics that are rebuilt are given for all generations (`consent.state`, and all that begin with `consent.state.g`).
4. No role needs IdempotentWrite: since Kafka 2.8 who may write any topic may have an idempotent producer (KIP-679).
5. No role may change ACLs: who applies these is an administrator of the cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from consent_stream.wire.topics import (
    AUDIT,
    CHANGES,
    CONTROL,
    EDGES,
    EVENTS,
    GATES,
    LEDGER,
    PROGRESS,
    QUARANTINE,
    REPLIES,
    SENDS,
    STATE,
    SUPPRESSION,
    TOPICS,
    Topic,
)

LISTS = tuple(SUPPRESSION.values())
# What consumers that join no group call theirs. librdkafka looks its coordinator up all the same, which is `Describe`.
UNJOINED = {
    "control": "control-unused",
    "gate": "consent-stream-gate",
    "progress": "progress-unused",
    "watermarks": "watermarks-unused",
    "restore": "restore-unused",
    "inspection": "consent-stream-inspection",
    "ends": "ends-unused",
    "replies": "replies-unused",
}


class Rule(NamedTuple):
    """One permission. resource: `topic`, `group` or `transactional_id`; pattern: `literal` or `prefixed`; operation as
    Kafka names it, in small letters: `read`, `describe_configs`, …"""

    resource: str
    name: str
    pattern: str
    operation: str


def rules(role: str, prefix: str = "") -> tuple[Rule, ...]:
    """All permissions of a role, in order, for the topics of one prefix. Errors: KeyError for a role that is none."""
    return tuple(sorted(set(ROLES[role][1](prefix))))


def _topics(prefix: str, topics: Iterable[Topic], *operations: str) -> Iterator[Rule]:
    for topic in topics:
        for operation in operations:
            yield Rule("topic", topic.full(prefix), "literal", operation)
            if topic.rebuilt:
                yield Rule("topic", topic.full(prefix) + ".g", "prefixed", operation)


def _unjoined(*names: str) -> Iterator[Rule]:
    for name in names:
        yield Rule("group", UNJOINED[name], "literal", "describe")


def _edge(prefix: str) -> Iterator[Rule]:
    # Kafka takes Describe as given with Write, but not DescribeConfigs: `publish` looks at the topic before it sends.
    yield from _topics(prefix, [EVENTS], "write", "describe", "describe_configs")
    # `publish` asks for the settings of all topics that it may describe.
    yield from _topics(prefix, [EDGES], "write", "describe", "describe_configs")  # how far its spool is
    yield from _topics(prefix, [REPLIES], "read", "write", "describe", "describe_configs")  # what was answered already
    yield from _unjoined("replies")


def _any_worker(prefix: str) -> Iterator[Rule]:
    """What both stages need: to refuse topics that could lose a "no", to be of the group, to say how far they are."""
    yield from _topics(prefix, TOPICS, "describe", "describe_configs")
    yield Rule("group", f"{prefix}consent-stream", "literal", "read")
    yield Rule("group", f"{prefix}consent-stream.g", "prefixed", "read")
    yield from _topics(prefix, [CONTROL, PROGRESS], "read", "write")
    yield from _topics(prefix, [LEDGER, QUARANTINE], "write")
    yield from _unjoined("control", "progress", "watermarks")


def _intake(prefix: str) -> Iterator[Rule]:
    yield from _any_worker(prefix)
    yield from _topics(prefix, [EVENTS, EDGES], "read")
    # What may be a withdrawal and was not understood is an alarm until somebody has looked at it.
    yield from _topics(prefix, [QUARANTINE, AUDIT], "read")


def _state(prefix: str) -> Iterator[Rule]:
    yield from _any_worker(prefix)
    yield from _topics(prefix, [LEDGER, STATE], "read")
    yield from _topics(prefix, [STATE, CHANGES, *LISTS], "write")
    yield from _topics(prefix, LISTS, "read")  # back, for older records that somebody else may write there
    yield from _unjoined("restore")
    for name in (f"{STATE.full(prefix)}-", f"{STATE.full(prefix)}.g"):  # one id a partition of the changelog
        for operation in ("write", "describe"):
            yield Rule("transactional_id", name, "prefixed", operation)


def _worker(prefix: str) -> Iterator[Rule]:
    yield from _intake(prefix)
    yield from _state(prefix)


def _gate(prefix: str) -> Iterator[Rule]:
    yield from _topics(prefix, LISTS, "read", "describe", "describe_configs")
    yield from _topics(prefix, [CONTROL], "read", "describe")
    yield from _topics(prefix, [GATES], "write", "describe")
    yield from _unjoined("control", "gate")


def _mailer(prefix: str) -> Iterator[Rule]:
    yield from _gate(prefix)
    yield from _topics(prefix, [SENDS], "write", "describe")


def _texter(prefix: str) -> Iterator[Rule]:
    yield from _topics(prefix, [REPLIES], "read", "describe")
    yield Rule("group", f"{prefix}replies-", "prefixed", "read")


def _analytics(prefix: str) -> Iterator[Rule]:
    yield from _topics(prefix, [STATE, CHANGES, LEDGER, SENDS, CONTROL, PROGRESS, *LISTS], "read", "describe")
    yield Rule("group", f"{prefix}analytics-", "prefixed", "read")
    yield from _unjoined("control", "inspection")  # `export`, `report`


def _oncall(prefix: str) -> Iterator[Rule]:
    yield from _topics(prefix, TOPICS, "describe", "describe_configs")
    yield from _topics(prefix, [topic for topic in TOPICS if topic is not EVENTS], "read")
    yield from _topics(prefix, [CONTROL, AUDIT], "write")  # the kill switch
    yield from _topics(prefix, [EDGES], "write")  # `edge forget`
    yield from _unjoined("control", "gate", "inspection", "ends")
    # The console shows who is in the workers' group.
    yield Rule("group", f"{prefix}consent-stream", "literal", "describe")
    yield Rule("group", f"{prefix}consent-stream.g", "prefixed", "describe")


def _admin(prefix: str) -> Iterator[Rule]:
    yield from _topics(prefix, TOPICS, "create", "describe", "describe_configs", "alter_configs")


ROLES: dict[str, tuple[str, Callable[[str], Iterator[Rule]]]] = {
    "edge": ("sends events: forms, webhooks, `publish`", _edge),
    "intake": ("`worker --agents intake`", _intake),
    "state": ("`worker --agents state`", _state),
    "worker": ("`worker` with both stages", _worker),
    "gate": ("answers: `gate follow`, `gate serve`, `check`", _gate),
    "mailer": ("a gate whose process also tells what it sent", _mailer),
    "texter": ("sends the answers to texts", _texter),
    "analytics": ("`export`, `report`; reads ledger, state, changes, lists and sends", _analytics),
    "oncall": ("`console`, `why`, `late-sends`, `barrier`, the kill switch, …; reads all but the events", _oncall),
    "admin": ("`topics apply`, `topics diff`", _admin),
}
