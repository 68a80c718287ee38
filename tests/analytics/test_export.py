"""`consent-stream export` as a process on a broker: killed at any time, gone on with, refused where it must be."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from consent_stream.cli import main
from consent_stream.dev.leash import leashed
from consent_stream.domain.standing import BLANK
from consent_stream.settings import Settings
from consent_stream.wire.change import decode_change, encode_change
from consent_stream.wire.send import encode_send
from consent_stream.wire.topics import CHANGES, CONTROL, SENDS
from tests.analytics.records import held
from tests.faults.deployment import Deployment, Found, await_that
from tests.wire.samples import AT, KEY, PARTIAL, UNSUBSCRIBE
from tests.wire.samples import SENDS as SAMPLES

DAY = 86_400_000_000


@pytest.fixture
def settings(embedded: str, prefix: str, make_topics) -> Settings:
    make_topics(embedded, {topic.full(prefix): {} for topic in (CHANGES, SENDS, CONTROL)})
    return Settings(bootstrap=embedded, topic_prefix=prefix)


def produce(settings: Settings, first: int, count: int) -> None:
    producer = Producer(settings.producer(**{"log_level": 2, "linger.ms": 0}))
    for number in range(first, first + count):
        fact = UNSUBSCRIBE._replace(received=AT + number % 4 * DAY, id=f"e-{number}")
        value = encode_change("email", BLANK, PARTIAL, fact, number)
        producer.produce(CHANGES.full(settings.topic_prefix), value, KEY, partition=number % 4)
        producer.poll(0)
    assert producer.flush(30) == 0


def topic(settings: Settings) -> list[Found]:
    """What the topic holds, read by the tests' own reader."""
    reader = object.__new__(Deployment)
    reader.settings, reader.prefix, reader.generation = settings, settings.topic_prefix, 0
    return reader.read(CHANGES)


def same(folder: Path, settings: Settings) -> None:
    """Row for row."""
    wanted = topic(settings)
    rows = held(folder)
    assert [(row["partition"], row["offset"]) for row in rows] == [(each.partition, each.offset) for each in wanted]
    for row, each in zip(rows, wanted, strict=True):
        change = decode_change(each.value or b"")
        assert (row["event_id"], row["version"], row["key"]) == (change.id, change.version, (each.key or b"").hex())
        assert row["received"].timestamp() * 1e6 == change.received


def arguments(settings: Settings, folder: Path, *more: str) -> list[str]:
    link = ["--bootstrap", settings.bootstrap, "--topic-prefix", settings.topic_prefix]
    return ["export", "--to", str(folder), *link, *more]


def run(settings: Settings, folder: Path, *more: str):
    return CliRunner().invoke(main, arguments(settings, folder, *more))


class Exporting:
    """The command as a process."""

    def __init__(self, settings: Settings, folder: Path, *more: str) -> None:
        command = leashed([sys.executable, "-m", "consent_stream", *arguments(settings, folder, *more)])
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.fixture
def feeding(settings: Settings) -> Iterator[Callable[[], None]]:
    """Records arrive all the time, until it is called; then none comes any more."""
    over, failed = threading.Event(), []

    def feed() -> None:
        first = 0
        try:
            while not over.is_set():
                produce(settings, first, 40)
                first += 40
                over.wait(0.02)
        except Exception as error:
            failed.append(error)

    def end() -> None:
        over.set()
        thread.join()

    thread = threading.Thread(target=feed)
    thread.start()
    yield end
    end()
    assert not failed


def test_an_export_that_is_killed_again_and_again_loses_and_doubles_nothing(settings, feeding, tmp_path):
    random, folder, seen = Random(7), tmp_path / "lake", 0
    for _ in range(3):
        exporting = Exporting(settings, folder, "--follow", "--every", "0")
        await_that("it has got on", lambda seen=seen: len(list(folder.rglob("*.parquet"))) > seen, 60)
        time.sleep(random.uniform(0, 0.3))  # anywhere between two commits, or in one
        exporting.process.kill()
        exporting.end()
        seen = len(list(folder.rglob("*.parquet")))
    feeding()
    ran = run(settings, folder)
    assert ran.exit_code == 0, ran.stderr
    same(folder, settings)
    assert not list(folder.rglob("*.part"))


def test_it_goes_on_where_it_stopped(settings, tmp_path):
    produce(settings, 0, 300)
    first = run(settings, tmp_path / "lake")
    assert (first.exit_code, first.stderr.split(": ")[1]) == (0, "300 rows more, 300 in all\n")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "lake").rglob("*.parquet")}
    produce(settings, 300, 50)
    again = run(settings, tmp_path / "lake", "--topic", "changes")
    assert "50 rows more, 350 in all" in again.stderr
    assert "0 rows more, 350 in all" in run(settings, tmp_path / "lake").stderr
    same(tmp_path / "lake", settings)
    assert all(path.stat().st_mtime_ns == at for path, at in files.items()), "a file that is there is never written to"


def test_one_that_follows_ends_with_all_it_read_when_it_is_told_to(settings, tmp_path):
    """Between two commits an hour apart, so that what is there came by the end. A slow machine gets more time."""
    produce(settings, 0, 100)
    for delay in (0.3, 1, 3, 9):
        exporting = Exporting(settings, tmp_path / "lake", "--follow", "--every", "3600")
        await_that("it began", lambda: any((tmp_path / "lake").rglob("_manifest.json")), 60)
        time.sleep(delay)
        exporting.process.terminate()
        code, said = exporting.end()
        assert (code, "Traceback" in said) == (0, False), said
        if held(tmp_path / "lake"):
            break
    assert held(tmp_path / "lake")
    assert run(settings, tmp_path / "lake").exit_code == 0
    same(tmp_path / "lake", settings)


def test_two_at_once_are_refused(settings, tmp_path):
    exporting = Exporting(settings, tmp_path / "lake", "--follow")
    await_that("it began", lambda: any((tmp_path / "lake").rglob("_manifest.json")), 60)
    refused = run(settings, tmp_path / "lake")
    exporting.process.kill()
    exporting.end()
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "another export" in refused.stderr
    assert run(settings, tmp_path / "lake").exit_code == 0


def test_what_it_cannot_read_is_told_and_kept_beside(settings, tmp_path):
    produce(settings, 0, 4)
    producer = Producer(settings.producer(**{"log_level": 2}))
    producer.produce(CHANGES.full(settings.topic_prefix), b"\xc3\x01 of another version", KEY, partition=1)
    producer.produce(SENDS.full(settings.topic_prefix), encode_send(SAMPLES[0]), SAMPLES[0].keys[0])
    assert producer.flush(30) == 0
    ran = run(settings, tmp_path / "lake", "--topic", "changes", "--topic", "sends")
    assert ran.exit_code == 3
    assert "4 rows more, 4 in all, 1 unreadable" in ran.stderr
    (row,) = held(tmp_path / "lake", "unreadable=consent.changes")
    assert (row["partition"], row["code"]) == (1, "unknown_schema")
    (sent,) = held(tmp_path / "lake", "topic=consent.sends")
    assert sent["message_id"] == SAMPLES[0].message_id


@pytest.mark.parametrize(
    ("more", "named"),
    [
        (["--since", "yesterday"], "--since"),
        (["--until", "2026-03-01"], "--until"),
        (["--follow", "--until", "2026-03-01T00:00:00Z"], "--until"),
        (["--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z"], "--since"),
        (["--topic", "events"], "--topic"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_2(more, named, tmp_path):
    refused = CliRunner().invoke(main, ["export", "--to", str(tmp_path / "lake"), *more])
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert named in refused.stderr
    assert not (tmp_path / "lake").exists()


def test_no_kafka_is_one_line_and_exit_2(monkeypatch, tmp_path):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = CliRunner().invoke(main, ["export", "--to", str(tmp_path), "--bootstrap", "127.0.0.1:1"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)


def test_a_directory_that_may_not_be_written_is_one_line_and_exit_2(settings, tmp_path):
    (tmp_path / "lake").write_text("a file")
    assert run(settings, tmp_path / "lake").exit_code == 2
    assert os.listdir(tmp_path) == ["lake"]
