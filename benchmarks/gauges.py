"""What is measured from outside, alike for every engine: processor time, memory, and a topic's readable end."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process since its start. `cpu`: user + system seconds over all threads; `peak_mib`: VmHWM."""

    cpu: float
    peak_mib: float


def usage(pid: int) -> Usage:
    """Source: proc(5), /proc/PID/stat fields 14 to 17 (with reaped children) and VmHWM of /proc/PID/status."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text()
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return Usage(sum(map(int, fields[11:15])) / TICKS, int(peak.group(1)) / 1024 if peak else 0.0)


class Ends:
    """Ends of topics and places of groups, by admin requests: a reading costs the broker next to nothing."""

    def __init__(self, bootstrap: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": bootstrap})

    def readable(self, topic: str, partitions: int) -> list[int]:
        """Per partition the end that a `read_committed` reader sees: what is still in a transaction does not count."""
        latest = {TopicPartition(topic, number): OffsetSpec.latest() for number in range(partitions)}
        answers = self._admin.list_offsets(latest, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=10)
        return [int(answers[place].result().offset) for place in latest]

    def committed(self, group: str, topic: str, partitions: int) -> list[int]:
        """Per partition the offset the group wants next; -1001 where it has committed none, or does not exist yet."""
        places = [TopicPartition(topic, number) for number in range(partitions)]
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])
        try:
            answer = asked[group].result(10)
        except KafkaException:  # the group's coordinator is still being made; the caller asks again until its deadline
            return [-1001] * partitions
        return [int(place.offset) for place in answer.topic_partitions]

    def reached(self, group: str, topic: str, ends: Sequence[int]) -> bool:
        """Whether the group has committed all of `topic` up to `ends`."""
        return self.committed(group, topic, len(ends)) == list(ends)
