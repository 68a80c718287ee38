"""`consent-stream tail` on the embedded broker: what it shows, when it ends, and what it does not show."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from consent_stream.cli import main
from consent_stream.commands.tail_lines import text_of
from consent_stream.dev.leash import leashed
from consent_stream.domain.standing import BLANK
from consent_stream.inspection.placement import partition_of
from consent_stream.inspection.records import Row
from consent_stream.inspection.timeorder import TimeOrder
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.change import encode_change
from consent_stream.wire.records import error_headers
from consent_stream.wire.topics import CHANGES, QUARANTINE
from tests.wire.samples import AT, KEY, SUPPRESSED, UNSUBSCRIBE

pytestmark = pytest.mark.timeout(120)
ADDRESS = "ana@example.com"


class Topics:
    """The topics of a prefix on the embedded broker, and who writes into them."""

    def __init__(self, bootstrap, prefix):
        self.place = ["--bootstrap", bootstrap, "--topic-prefix", prefix]
        self.settings = Settings(bootstrap=bootstrap, topic_prefix=prefix)
        TopicAdmin(self.settings).read()  # on this broker, asking for a topic makes it
        self._producer = Producer(self.settings.producer())

    def write(self, topic, value, key=KEY, *, partition=0, at=0, headers=()):
        name = topic.full(self.settings.topic_prefix)
        self._producer.produce(name, value, key, partition, timestamp=at // 1000, headers=list(headers))

    def change(self, ident, tenant="acme", **where):
        fact = UNSUBSCRIBE._replace(id=ident, tenant=tenant)
        self.write(CHANGES, encode_change("email", BLANK, SUPPRESSED, fact, 9), **where)

    def proven(self):
        assert self._producer.flush(20) == 0

    def tail(self, *arguments):
        return CliRunner().invoke(main, ["tail", *self.place, *arguments])

    def start(self, *arguments):
        command = leashed([sys.executable, "-m", "consent_stream", "tail", *self.place, *arguments])
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ, text=True)


@pytest.fixture
def topics(embedded, prefix):
    return Topics(embedded, prefix)


def ids(told):
    assert told.exit_code == 0, told.stderr
    return [json.loads(line)["id"] for line in told.stdout.splitlines()]


def test_all_that_there_is_in_the_order_of_time_over_partitions(topics):
    for n in range(40):
        topics.change(f"e{n:02}", partition=n % 4, at=AT + n * 1_000_000)
    topics.proven()
    assert ids(topics.tail("--no-follow", "--json")) == [f"e{n:02}" for n in range(40)]
    window = ("--since", "2026-03-01T12:00:10Z", "--until", "2026-03-01T12:00:20Z")
    assert ids(topics.tail(*window, "--json")) == [f"e{n:02}" for n in range(10, 20)]
    assert ids(topics.tail("--no-follow", "--json", "--max", "3")) == ["e00", "e01", "e02"]


def test_partitions_that_are_held_back_lose_nothing(topics, monkeypatch):
    """All of one is older than all of the other, which arrives at the same time and must wait."""
    monkeypatch.setattr("consent_stream.inspection.following.AHEAD", 50)
    held = []
    monkeypatch.setattr(
        TimeOrder, "crowded", lambda self, crowded=TimeOrder.crowded: held.append(crowded(self)) or held[-1]
    )
    for n in range(3000):
        topics.change(f"a{n:04}", partition=0, at=AT + n * 1000)
        topics.change(f"b{n:04}", partition=1, at=AT + 10_000_000 + n * 1000)
    topics.proven()
    found = ids(topics.tail("--no-follow", "--json"))
    assert found == [f"{partition}{n:04}" for partition in "ab" for n in range(3000)]
    assert {1} in held


def test_a_line_for_people_tells_all_and_no_address(topics):
    topics.change("u-[red]1\x1b[2J")
    headers = error_headers("not_cloudevent", "intake", ("consent.events", 4, 99), "no JSON")
    topics.write(QUARANTINE, f'{{"email":"{ADDRESS}"'.encode(), ADDRESS.encode(), headers=headers)
    topics.write(CHANGES, b"rubbish", b"short", partition=2)
    topics.proven()
    shown = topics.tail("--no-follow")
    told, damaged = sorted(shown.stdout.splitlines(), key=lambda line: "cannot be read" in line)
    assert "email   acme       0161000001020304  CLEAR → SUPPRESSED minor,erased,undeliverable  tighter" in told
    assert "unsubscribe.oneclick  /mail/oneclick  u-[red]1�[2J  0:0 ← 7:123456" in told
    assert "cannot be read: unknown_schema: a value of another schema, or none" in damaged
    assert "2:0" in damaged
    shown = topics.tail("--topic", "consent.quarantine", "--no-follow", "--reason", "not_cloudevent")
    assert "26 bytes no JSON  intake,not_cloudevent  consent.events  0:0 ← 4:99" in shown.stdout
    assert ADDRESS not in shown.output + topics.tail("--topic", "quarantine", "--no-follow", "--json").output


def test_filters_on_the_command_line(topics):
    for n, tenant in enumerate(("acme", "globex", "hooli")):
        topics.change(tenant, tenant, partition=partition_of(KEY, 4), at=AT + n * 1_000_000)
    topics.proven()
    for arguments, wanted in (
        (("--tenant", "globex"), ["globex"]),
        (("--tenant", "acme", "--tenant", "hooli"), ["acme", "hooli"]),
        (("--key", KEY.hex()[:16].upper(), "--kind", "tighter"), ["acme", "globex", "hooli"]),
        (("--key", "0163"), []),
        (("--key", KEY.hex()), ["acme", "globex", "hooli"]),
        (("--key", KEY.hex()[:-1]), ["acme", "globex", "hooli"]),
        (("--reason", "complaint"), []),
    ):
        assert ids(topics.tail("--no-follow", "--json", *arguments)) == wanted


def test_what_comes_while_it_runs_is_shown_and_ctrl_c_is_a_good_end(topics):
    topics.change("before")
    topics.proven()
    running = topics.start("--since", "2026-01-01T00:00:00Z", "--json")
    try:
        assert json.loads(running.stdout.readline())["id"] == "before"
        topics.change("after", partition=3)
        topics.proven()
        line = json.loads(running.stdout.readline())
        assert (line["id"], line["partition"]) == ("after", 3)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (0, "", "")
    finally:
        running.kill()


def test_by_itself_it_begins_now(topics):
    topics.change("before")
    topics.proven()
    running = topics.start("--json", "--max", "1")
    try:
        deadline = time.monotonic() + 60
        while running.poll() is None and time.monotonic() < deadline:  # until it has begun
            topics.change("after")
            topics.proven()
            time.sleep(0.2)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, json.loads(out)["id"], err) == (0, "after", "")
    finally:
        running.kill()


def test_a_reader_who_has_seen_enough_ends_it_quietly(topics):
    for n in range(5_000):
        topics.change(f"e{n}")
    topics.proven()
    command = f"{sys.executable} -m consent_stream tail {' '.join(topics.place)} --no-follow | head -n 1"
    ran = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True)
    assert "e0" in ran.stdout
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--topic", "consent.events"), "--topic"),
        (("--topic", "quarantine", "--tenant", "acme"), "quarantined"),
        (("--since", "yesterday"), "--since"),
        (("--since", "5m", "--until", "1h"), "nothing in between"),
        (("--key", "ana@example.com"), "--key"),
        (("--kind", "losser"), "--kind"),
        (("--channel", "fax"), "--channel"),
        (("--max", "0"), "--max"),
    ],
)
def test_a_wrong_call_is_exit_2_with_one_line(arguments, named):
    refused = CliRunner().invoke(main, ["tail", *arguments])
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert named in line
    assert ADDRESS not in line


def test_a_kafka_that_is_away_at_the_start_is_no_answer(monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = CliRunner().invoke(main, ["tail", "--bootstrap", "127.0.0.1:1"])
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1


def test_a_key_with_hundreds_of_facts_is_one_line_that_can_be_read():
    line = text_of(Row("consent.state", 0, 0, None, KEY, after="grant E3 marketing:email:news; " * 300)).plain
    assert len(line) < 300
    assert "…" in line


def test_it_says_once_when_gates_obey_another_generation(topics, monkeypatch):
    monkeypatch.setattr("consent_stream.commands.tail.RECHECK", -1.0)
    told = iter([0, 0, 3])
    monkeypatch.setattr("consent_stream.topics.active_generation", lambda settings: next(told, 3))
    for n in range(4):
        topics.change(f"e{n}", partition=n)
    topics.proven()
    monkeypatch.setattr("consent_stream.inspection.following.BATCH", 0)  # one record a round, so some rounds
    shown = topics.tail("--since", "2026-01-01T00:00:00Z", "--follow", "--json", "--max", "4")
    assert len(ids(shown)) == 4
    assert shown.stderr == "consent-stream: gates obey generation 3 from now on, and this shows 0: begin it again\n"


@pytest.mark.parametrize(
    ("micros", "shown"),
    [
        (9_000, "+9 ms"),
        (-3_000, "-3 ms"),
        (1_999_000, "+1999 ms"),
        (90_000_000, "+90.0 s"),
        (3 * 86_400_000_000, "+3.0 d"),
    ],
)
def test_how_late_a_line_came_is_in_a_unit_that_can_be_read(micros, shown):
    line = text_of(Row("consent.changes", 3, 4, AT + micros, KEY, received=AT)).plain
    assert line.endswith(f"  3:4 {shown}")


def test_no_text_of_a_record_can_move_a_cursor_or_colour_a_line():
    odd = "\x1b[2J\r\n[red]"
    texts = dict.fromkeys(("tenant", "before", "after", "type", "source", "id", "trouble"), odd)
    lists = dict.fromkeys(("channels", "purposes", "kinds", "reasons"), (odd,))
    line = text_of(Row("consent.sends", 0, 0, AT, KEY, **texts, **lists))
    assert line.plain.isprintable()
    assert "[red]" in line.plain
