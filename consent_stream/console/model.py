"""All that the pages show, bounded, and how old it is. Pure: the clock is an argument. One lock for writer and readers.

1. Figures are as of `heard`, the last instant at which Kafka answered everything that is asked. Pages say how long ago
   that is, and that it is no word of now, once it is older than `OLD`.
2. Nothing here is of a person: no key, no address, no content.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import NamedTuple

from consent_stream.console.flow import Flow
from consent_stream.console.gatesheet import Gatesheet
from consent_stream.console.optouts import Optouts
from consent_stream.console.quarantined import Quarantined
from consent_stream.gate.control import Control
from consent_stream.wire.edges import EdgeBeat

OLD = 10_000_000  # microseconds after which figures are no word of now
MOST_EDGES = 10_000


class Worker(NamedTuple):
    """A member of the workers' group. name: its id in Kafka. events, ledger: how many partitions it has."""

    name: str
    host: str
    events: int
    ledger: int


class Group(NamedTuple):
    """The workers. state: as Kafka calls it. trouble: why it cannot be told, if it cannot."""

    state: str = ""
    workers: tuple[Worker, ...] = ()
    trouble: str | None = None


class Reading(NamedTuple):
    """How much of the past is read: of the changes of two days and the quarantine of a week."""

    done: int = 0
    total: int = 0


class Model:
    """Written by the follower, read by pages, both under `lock`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.heard: int | None = None  # µs
        self.trouble: str | None = None  # one line on what Kafka did not answer
        self.unreadable: Counter[str] = Counter()  # records by topic that are no record of ours
        self.flow = Flow()
        self.begin(0)

    def begin(self, generation: int) -> None:
        """Topics are read anew, for the lists of that generation. What is told until then of flow stays."""
        self.generation = generation
        self.control = Control(None, Counter(), generation)
        self.gatesheet = Gatesheet()
        self.edges: dict[str, EdgeBeat] = {}
        self.optouts = Optouts()
        self.quarantined = Quarantined()
        self.group = Group()
        self.reading = Reading()
        self.caught_up = False

    def hear(self, at: int) -> None:
        """Kafka answered all of it. at: µs."""
        self.heard, self.trouble = at, None

    def edge(self, beat: EdgeBeat) -> None:
        """What an edge says of itself; one that ended is gone."""
        if beat.ended:
            self.edges.pop(beat.id, None)
        elif beat.id in self.edges or len(self.edges) < MOST_EDGES:
            self.edges[beat.id] = beat

    def age(self, now: int) -> float | None:
        """Seconds since Kafka answered; None when it never did."""
        return None if self.heard is None else max(0, now - self.heard) / 1e6

    def current(self, now: int) -> bool:
        """Whether the figures are of now."""
        return self.heard is not None and now - self.heard <= OLD
