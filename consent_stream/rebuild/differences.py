"""Two generations, read until their difference stands still."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from consent_stream.rebuild.compare import Compared, compare
from consent_stream.rebuild.snapshot import Snapshot, Told
from consent_stream.wire.topics import STATE, SUPPRESSION, Topic
from consent_stream.wire.vector import Vector

ROUNDS = 5  # a key that changes in each of so many is being written all the time


class Found(NamedTuple):
    """vector: everything before it is settled in both. compared: by topic. steady: the last two rounds were alike."""

    vector: Vector
    compared: Mapping[Topic, Compared]
    steady: bool

    @property
    def equal(self) -> bool:
        """Whether nothing differs, in any topic."""
        return not any(each.total for each in self.compared.values())


def find_differences(snapshot: Snapshot, seconds: float, most: int, told: Told) -> Found:
    """Compare state and lists at equal vectors.

    A difference may be a change that one generation has and the other has not yet, for events come in all the time. So
    both are settled again, until none is left or the same one is found twice.

    seconds: for each round. Errors: NotSettled; KafkaException.
    """
    found = _round(snapshot, seconds, most, told)
    for _ in range(ROUNDS):
        if found.equal:
            break
        before, found = found, _round(snapshot, seconds, most, told)
        if all(found.compared[topic].differing == each.differing for topic, each in before.compared.items()):
            break
    else:
        return found._replace(steady=False)
    return found


def _round(snapshot: Snapshot, seconds: float, most: int, told: Told) -> Found:
    vector = snapshot.settle(seconds, told)
    topics = (STATE, *SUPPRESSION.values())
    return Found(vector, {topic: compare(snapshot.rows(topic), topic is not STATE, most) for topic in topics}, True)
