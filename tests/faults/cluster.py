"""Three Kafka nodes, each broker and controller, as `consent-stream dev kafka` starts one: topics with 3 replicas."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consent_stream.dev.jars import java, kafka_jars
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.topics import TOPICS, Topic
from tests.faults.deployment import await_that

NODES = 3
# One id for all: `LocalKafka` makes one up for each node that it formats, and takes the one that it finds.
CLUSTER = "Y29uc2VudC1zdHJlYW0tMQ"


class _Node(LocalKafka):
    """A node of several. It answers once the quorum does, so it is started beside the others."""

    def __init__(self, number: int, port: int, controllers: list[int], data: Path) -> None:
        voters = ",".join(f"{n + 1}@127.0.0.1:{each}" for n, each in enumerate(controllers))
        own = controllers[number]
        properties = {
            "node.id": str(number + 1),
            "controller.quorum.voters": voters,
            "listeners": f"PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{own}",
            "offsets.topic.replication.factor": str(NODES),
            "transaction.state.log.replication.factor": str(NODES),
            "transaction.state.log.min.isr": "2",
            "share.coordinator.state.topic.replication.factor": str(NODES),
            "share.coordinator.state.topic.min.isr": "2",
            "replica.lag.time.max.ms": "3000",
            "controller.quorum.election.timeout.ms": "1000",
            "controller.quorum.fetch.timeout.ms": "1500",
        }
        super().__init__(port, data, heap="320m", properties=properties)

    def _format(self, program: str, classpath: str, settings: Path, log: Path) -> str:
        # What `format` writes but for the id, which is to be the same on all nodes.
        home = settings.parent / "log"
        super()._format(program, classpath, settings, log)
        meta = home / "meta.properties"
        lines = [line for line in meta.read_text().splitlines() if not line.startswith("cluster.id")]
        meta.write_text("\n".join([*lines, f"cluster.id={CLUSTER}", ""]))
        return CLUSTER


class Cluster:
    """bootstrap: all nodes. nodes: to be stopped, killed and started."""

    def __init__(self, folder: Path) -> None:
        ports = free_ports(2 * NODES)
        controllers = ports[NODES:]
        self.nodes = [_Node(n, ports[n], controllers, folder / f"node{n + 1}") for n in range(NODES)]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports[:NODES])

    def start(self, *numbers: int) -> None:
        """Start nodes at the same time, for none answers alone. Errors: DevError."""
        # The kernel ties a node's leash to the thread that starts it: the pool lives as long as the cluster.
        list(self._pool.map(lambda number: self.nodes[number].start(), numbers or range(NODES)))

    def __enter__(self) -> Cluster:
        self._pool = ThreadPoolExecutor(NODES)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        with ExitStack() as stack:
            stack.callback(self._pool.shutdown)
            for node in self.nodes:
                stack.callback(node.kill)

    def await_in_sync(self, seconds: float = 90) -> None:
        """Until every partition has all its replicas again."""

        def whole() -> bool:
            admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
            with contextlib.suppress(KafkaException):
                topics = admin.list_topics(timeout=5).topics.values()
                return bool(topics) and all(len(p.isrs) == NODES for t in topics for p in t.partitions.values())
            return False

        await_that("all replicas are in sync", whole, seconds)

    def make_topics(self, settings: Settings, counts: dict[Topic, int]) -> None:
        TopicAdmin(settings).create({topic: counts.get(topic, topic.partitions) for topic in TOPICS}, NODES)


@contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """One, running. The jars are fetched first, for three nodes would fetch them at once."""
    java(), kafka_jars()
    with Cluster(folder) as found:
        yield found
