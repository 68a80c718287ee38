"""Local stores that lie, changelogs that vanished, transactions that never happened, on a real Kafka."""

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import confluent_kafka as ck
import orjson
import pytest

from consent_stream.engine import Position
from consent_stream.engine.outbox import Effects, FencedOutbox
from consent_stream.engine.partition import Meta, Partition, StoreMemory
from tests.engine.harness import Pipeline, until

pytestmark = pytest.mark.kafka


@pytest.fixture
def pipeline(kafka: str, prefix: str, tmp_path: Path) -> Iterator[Pipeline]:
    made = Pipeline(kafka, prefix, tmp_path)
    made.make()
    yield made
    made.stop_all()


def store(pipeline: Pipeline, number: int) -> Path:
    (found,) = (pipeline.directory / "w1").glob(f"**/tables/registers/{number}")
    return found


def rows(pipeline: Pipeline) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for number in range(pipeline.partitions):
        part = Partition(store(pipeline, number), number, StoreMemory())
        found.update(part.items())
        part.close()
    return found


def change_meta(pipeline: Pipeline, number: int, **over: object) -> None:
    part = Partition(store(pipeline, number), number, StoreMemory())
    assert part.meta is not None
    changed: Meta = replace(part.meta, **over)
    part.write([(b"left over", b"of another life")], changed)
    part.close()


def test_stores_that_do_not_belong_are_rebuilt(pipeline: Pipeline) -> None:
    """Foreign cluster, foreign topic incarnation, offset past the end, torn file: wiped or moved, then equal again.

    So is a store that is not there at all.
    """
    pipeline.feed(2_000)
    worker = pipeline.start("gone").wait_ready()
    pipeline.wait_drained()
    assert worker.terminate()[0] == 0
    worker = pipeline.start().wait_ready()
    assert worker.terminate()[0] == 0
    assert rows(pipeline) == pipeline.oracle(), "restored from the changelog alone"
    change_meta(pipeline, 0, cluster="another")
    change_meta(pipeline, 1, topic="another")
    change_meta(pipeline, 2, changelog=10**9)
    (manifest,) = store(pipeline, 3).glob("MANIFEST*")
    with manifest.open("r+b") as file:
        file.truncate(20)
    worker = pipeline.start().wait_ready()
    pipeline.wait_drained()
    assert worker.terminate()[0] == 0
    text = worker.text()
    assert text.count("wiped, rebuilding") == 3
    assert text.count("is unusable") == 1
    assert rows(pipeline) == pipeline.oracle()
    pipeline.check()


def test_a_lost_changelog_is_folded_again_from_the_source(pipeline: Pipeline) -> None:
    """A changelog made anew is not accepted in silence: the state is the fold of its source, which is read again."""
    pipeline.feed(2_000)
    worker = pipeline.start(WORKER="w1").wait_ready()
    pipeline.wait_drained()
    assert worker.terminate()[0] == 0
    for done in pipeline.admin.delete_topics([pipeline.name("state")]).values():
        done.result(10)
    until(lambda: pipeline.name("state") not in pipeline.admin.list_topics(timeout=5).topics, what="deletion")
    pipeline.make("state")
    # Killed after the first slices of the new fold: the rewind must have outlived the process by then.
    worker = pipeline.start(WORKER="w1", SLICE="50", COMMIT="60", CONSENT_FAIL_POINT="unit.after-store:3")
    assert worker.wait() == -signal.SIGKILL
    assert "read again from their beginning" in worker.text()
    worker = pipeline.start("elsewhere").wait_ready()  # no local store at all
    pipeline.wait_drained()
    assert len(pipeline.latest("state")) == len(pipeline.oracle())
    pipeline.check()


def test_an_empty_changelog_and_no_store_is_folded_again(pipeline: Pipeline) -> None:
    """The group's commits alone must not skip what no state holds."""
    pipeline.feed(1_000)
    worker = pipeline.start().wait_ready()
    pipeline.wait_drained()
    assert worker.terminate()[0] == 0
    for done in pipeline.admin.delete_topics([pipeline.name("state")]).values():
        done.result(10)
    until(lambda: pipeline.name("state") not in pipeline.admin.list_topics(timeout=5).topics, what="deletion")
    pipeline.make("state")
    pipeline.start("elsewhere").wait_ready()
    until(lambda: len(pipeline.latest("state")) == len(pipeline.oracle()), what="a new fold")
    pipeline.check()


def test_aborted_facts_never_happened_and_markers_count_as_read(pipeline: Pipeline, tmp_path: Path) -> None:
    """A stage that reads a fenced stage's output; freshness needs its position to pass transaction markers."""
    producer = ck.Producer(pipeline.kafka.producer(**{"transactional.id": f"{pipeline.prefix}-derived"}))
    producer.init_transactions(10)
    for when, keep in ((1, True), (2, False), (3, True), (4, False)):
        producer.begin_transaction()
        producer.produce(pipeline.name("mid"), key=b"k", value=orjson.dumps(["a", when]), partition=0)
        producer.flush(10)
        producer.commit_transaction(10) if keep else producer.abort_transaction(10)
    told = tmp_path / "positions"
    worker = pipeline.start(STAGES="2", POSITIONS=str(told)).wait_ready()
    wanted = f"{pipeline.name('mid')}/0"

    def position() -> Position | None:
        found = orjson.loads(told.read_bytes()) if told.exists() else {}
        return Position(*found[wanted]) if wanted in found else None

    (end, *_) = pipeline.ends("mid")
    assert end == 8  # four records, four markers
    until(lambda: (at := position()) is not None and at.next == end and at.idle_since_ms is not None, what="idle")
    at = position()
    assert at is not None
    assert at.timestamp_ms is not None
    idle = at.idle_since_ms
    until(lambda: (now := position()) is not None and now.idle_since_ms != idle, what="a later response")
    assert pipeline.latest("state") == {b"k": orjson.dumps({"a": 3})}
    assert worker.terminate()[0] == 0


def test_two_groups_cannot_write_one_changelog(pipeline: Pipeline) -> None:
    """A fence is named after the changelog: a worker in another group by mistake ends the first, not the state."""
    pipeline.feed(500)
    first = pipeline.start().wait_ready()
    pipeline.wait_drained()
    pipeline.start("w2", GROUP=f"{pipeline.prefix}-other").wait_ready()
    pipeline.feed(500, seed=2)
    assert first.wait() == 70
    assert "fenced" in first.text()


def test_a_later_owner_fences_the_earlier(pipeline: Pipeline) -> None:
    """KIP-98, as used: the older producer's transaction is refused, and its records are never read."""

    def write(outbox: FencedOutbox, value: bytes) -> int | None:
        effects = Effects()
        effects.add(pipeline.name("out"), b"k", value, 0, None)
        outbox.begin(effects)
        return outbox.commit([{"key": b"k", "value": value}], pipeline.name("state"), 0)

    older = FencedOutbox(pipeline.kafka, f"{pipeline.prefix}-p0")
    assert write(older, b"one") == 1
    newer = FencedOutbox(pipeline.kafka, f"{pipeline.prefix}-p0")
    assert write(newer, b"two") is not None
    with pytest.raises(ck.KafkaException, match="fenced"):
        write(older, b"late")
    for topic in ("out", "state"):
        assert [message.value() for message in pipeline.read(topic)] == [b"one", b"two"]
