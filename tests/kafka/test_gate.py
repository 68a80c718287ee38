"""A gate and what only a real Kafka has: topic settings, topic ids, transactions, outages."""

import time

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from consent_stream.dev.kafka import LocalKafka
from tests.contract.gate.test_gate import COMPACT, SOON, ask, gate_of, until
from tests.contract.gate.worker import PARTITIONS, Worker
from tests.gate.made import ANAS, RING, beat, entry, grant, restriction

pytestmark = pytest.mark.kafka


@pytest.fixture
def worker(kafka, prefix, make_topics):
    found = Worker(kafka, prefix)
    make_topics(kafka, {found.list: COMPACT, found.control: COMPACT})
    found.start()
    return found


@pytest.fixture(params=["memory", "lmdb"])
def store(request, tmp_path):
    return None if request.param == "memory" else tmp_path / "replica"


@pytest.fixture
def look_often(monkeypatch):
    monkeypatch.setattr("consent_stream.gate.follower.RECHECK", 200_000)


def set_policy(bootstrap, topic, policy):
    admin = AdminClient({"bootstrap.servers": bootstrap})
    entries = [ConfigEntry("cleanup.policy", policy, incremental_operation=AlterConfigOpType.SET)]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    (changed,) = admin.incremental_alter_configs([resource]).values()
    changed.result(10)


@pytest.mark.parametrize("policy", ["delete", "compact,delete"])
def test_a_list_that_could_forget_is_refused_until_it_is_put_right(worker, policy):
    set_policy(worker.bootstrap, worker.list, policy)
    worker.write((ANAS, entry(grant())))
    with worker.beating(), gate_of(worker) as gate:
        assert not gate.wait_ready(1)
        assert gate.status().phase == "refused"
        assert "cleanup.policy" in gate.status().trouble
        assert ask(gate).reasons == ("not_ready",)
        set_policy(worker.bootstrap, worker.list, "compact")
        assert gate.wait_ready(SOON)
        assert ask(gate)


def test_a_list_that_is_told_to_forget_while_it_is_read_is_refused(worker, look_often):
    worker.write((ANAS, entry(grant())))
    with worker.beating(), gate_of(worker) as gate:
        assert gate.wait_ready(SOON)
        assert ask(gate)
        set_policy(worker.bootstrap, worker.list, "delete")
        assert until(lambda: ask(gate).reasons == ("not_ready",))
        assert gate.status().phase == "refused"


def make_anew(worker, make_topics):
    admin = AdminClient({"bootstrap.servers": worker.bootstrap})
    admin.delete_topics([worker.list])[worker.list].result(10)
    deadline = time.monotonic() + SOON
    while True:  # the broker lets go of the name a little later
        try:
            make_topics(worker.bootstrap, {worker.list: COMPACT})
            return
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_a_list_that_was_made_anew_is_read_anew(worker, make_topics, tmp_path):
    """Its offsets lie inside the new topic's, so that the topic's id alone can tell."""
    worker.write((ANAS, entry(grant())))
    worker.beat()
    with gate_of(worker, tmp_path / "replica") as gate:
        assert gate.wait_ready(SOON)
        assert ask(gate)
    make_anew(worker, make_topics)
    for _ in range(5):
        worker.beat()
    with worker.beating(), gate_of(worker, tmp_path / "replica") as gate:
        assert gate.wait_ready(SOON)
        assert ask(gate).reasons == ("no_consent",)
        assert gate.status().entries == 0


def test_a_list_that_is_made_anew_while_it_is_read_is_read_anew(worker, make_topics, store, look_often):
    worker.write((ANAS, entry(grant())))
    with gate_of(worker, store) as gate:
        with worker.beating():
            assert gate.wait_ready(SOON)
            assert ask(gate)
        make_anew(worker, make_topics)
        worker.write((RING.subject("acme", "email", "bo@example.com"), entry(grant())))
        with worker.beating():
            assert until(lambda: ask(gate, email="bo@example.com"), 2 * SOON)
            assert ask(gate).reasons == ("no_consent",)


def test_offsets_that_are_gone_mean_reading_anew(worker, tmp_path):
    worker.write((ANAS, entry(grant())))
    worker.beat()
    with gate_of(worker, tmp_path / "replica") as gate:
        assert gate.wait_ready(SOON)
    for _ in range(5):
        worker.beat()
    places = [TopicPartition(worker.list, q, -1) for q in range(PARTITIONS)]  # -1: everything there is
    admin = AdminClient({"bootstrap.servers": worker.bootstrap})
    set_policy(worker.bootstrap, worker.list, "delete")  # Kafka deletes no records of a compacted topic on demand
    for gone in admin.delete_records(places).values():
        gone.result(10)
    set_policy(worker.bootstrap, worker.list, "compact")
    with worker.beating(), gate_of(worker, tmp_path / "replica") as gate:
        assert gate.wait_ready(SOON)
        assert gate.status().alarms == {"rebuilt": 1}
        assert ask(gate).reasons == ("no_consent",)


def test_a_transaction_counts_when_it_is_committed_and_never_when_it_is_not(worker, store):
    link = {"bootstrap.servers": worker.bootstrap, "partitioner": "murmur2_random", "log_level": 2}
    producer = Producer({**link, "transactional.id": f"{worker.prefix}q"})
    producer.init_transactions(10)

    def write(version, *parts, commit):
        producer.begin_transaction()
        producer.produce(worker.list, entry(*parts, version=version), ANAS)
        for q in range(PARTITIONS):
            producer.produce(worker.list, beat(q, events=PARTITIONS), b"\x01H" + bytes(17), partition=q)
        producer.flush(10)
        (producer.commit_transaction if commit else producer.abort_transaction)(10)

    write(1, grant(), commit=True)
    write(2, grant(), restriction(), commit=False)
    with gate_of(worker, store) as gate:  # transaction markers stand at the end of every partition
        assert gate.wait_ready(SOON)
        assert ask(gate).version == 1
        write(3, grant(), restriction(), commit=True)
        assert until(lambda: ask(gate).version == 3)
        assert ask(gate).reasons == ("unsubscribed",)


def test_kafka_away_denies_after_the_limit_and_its_return_allows_again(prefix, make_topics, tmp_path):
    with LocalKafka(data=tmp_path / "kafka") as broker:
        worker = Worker(broker.bootstrap, prefix)
        make_topics(broker.bootstrap, {worker.list: COMPACT, worker.control: COMPACT})
        worker.start()
        worker.write((ANAS, entry(grant())))
        with gate_of(worker, staleness_limit=2.0) as gate:
            with worker.beating():
                assert gate.wait_ready(SOON)
                assert ask(gate)
            broker.kill()
            assert until(lambda: ask(gate).reasons == ("stale",))
            assert gate.status().trouble
            broker.start()
            with worker.beating():
                assert until(lambda: ask(gate), 30)
                assert until(lambda: gate.status().trouble is None)
                assert gate.status().alarms == {}
