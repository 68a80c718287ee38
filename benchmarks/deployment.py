"""The product on the benchmark's Kafka: its files, its topics, its worker process."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from benchmarks.lap_timing import Rider
from benchmarks.population import POLICY
from benchmarks.topics import await_leaders
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, SUPPRESSION, TOPICS

KEYS = '# Keys of a benchmark, for fictional people alone.\ncurrent = 0\n\n[keys]\n0 = "' + "00" * 32 + '"\n'
STAMPED = (LEDGER, CHANGES, *SUPPRESSION.values())  # the broker stamps them, so that its clock says when a lap ended


class Deployment:
    """One topic prefix with its policy and key file in `folder`."""

    def __init__(self, bootstrap: str, folder: Path, prefix: str) -> None:
        folder.mkdir()
        self.folder, self.prefix, self.bootstrap = folder, prefix, bootstrap
        (folder / "policy.toml").write_text(POLICY)
        keys = folder / "keys.toml"
        keys.touch(mode=0o600)
        keys.write_text(KEYS)
        self.settings = Settings(
            bootstrap=bootstrap, policy=folder / "policy.toml", keys=keys, topic_prefix=prefix, data_dir=folder / "data"
        )

    def make_topics(self) -> None:
        """Every topic as declared (those that are there stay), list topics stamped by the broker."""
        admin = TopicAdmin(self.settings)
        there = admin.read().live
        admin.create({topic: topic.partitions for topic in TOPICS if topic.full(self.prefix) not in there}, 1)
        full = {topic.full(self.prefix): topic.partitions for topic in TOPICS}
        await_leaders(AdminClient({"bootstrap.servers": self.bootstrap}), full)
        for topic in STAMPED:
            admin.alter(topic.full(self.prefix), {"message.timestamp.type": "LogAppendTime"})

    def forget(self) -> None:
        """Back to the events alone: no other topic of the prefix, no consumer group, until `make_topics`."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        groups = [each.group_id for each in admin.list_consumer_groups().result(10).valid]
        if groups:
            for future in admin.delete_consumer_groups(groups).values():
                future.result(10)
        kept = EVENTS.full(self.prefix)
        names = self._names(admin, kept)
        if names:
            for future in admin.delete_topics(names).values():
                future.result(30)
        deadline = time.monotonic() + 20
        while self._names(admin, kept):  # a name that is still being deleted cannot be made again
            if time.monotonic() > deadline:
                raise KafkaException("topics are still there 20 s after their deletion")
            time.sleep(0.1)

    def start_worker(
        self, log: Path, data_dir: Path, *, extra: Sequence[str] = (), python: str = sys.executable
    ) -> Rider:
        """`consent-stream worker` with default settings; its mark is the line that says `ready`."""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")},
            "CONSENT_BOOTSTRAP": self.bootstrap,
            "CONSENT_POLICY": str(self.settings.policy),
            "CONSENT_KEYS": str(self.settings.keys),
            "CONSENT_DATA_DIR": str(data_dir),
            "CONSENT_TOPIC_PREFIX": self.prefix,
        }
        return Rider(
            [python, "-m", "consent_stream", "worker", *extra], environment, log, says_ready, folder=self.folder
        )

    def _names(self, admin: AdminClient, kept: str) -> list[str]:
        found = admin.list_topics(timeout=10).topics
        return [name for name in found if self.prefix in name and name != kept]


def says_ready(line: bytes) -> float | None:
    """The worker's mark: its partitions are restored, it begins to read."""
    return time.time() if line.strip() == b"ready" else None
