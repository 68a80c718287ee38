"""`consent-stream late-sends`: bad arguments, no Kafka, and what is shown. (What it finds: tests/kafka.)"""

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.commands.late_sends import _messages, _print_tables
from tests.wire.samples import SENDS

LINE = {
    "handed_over_at": 1_772_366_400_000_000, "late_ms": 1.25, "tenant": "acme", "channel": "email", "sender": "a",
    "message_id": "m-[red]1\x1b[2J", "kind": "unsubscribed", "event": "u-1", "reasons": ["unsubscribed"],
}  # fmt: skip
FIGURES = {
    "sent": 500,
    "late": 300,
    "late_share": 0.6,
    "without_permission": 0,
    "p50_ms": 1.0,
    "p99_ms": 2.0,
    "max_ms": 3.0,
}


def run(*arguments):
    return CliRunner().invoke(main, ["late-sends", *arguments])


@pytest.mark.parametrize("flag", ["--since", "--until"])
@pytest.mark.parametrize("time", ["yesterday", "2026-03-01", "2026-03-01T12:00:00", "1772366400"])
def test_a_time_that_is_none_is_one_line_and_exit_2(flag, time):
    refused = run(flag, time)
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert flag in line


def test_a_kafka_that_is_away_is_no_answer(monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = run("--bootstrap", "127.0.0.1:1")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.count("\n") == 1


def test_a_full_disk_is_no_answer_and_no_late_message(monkeypatch):
    def find_late(_settings, _window, evidence, **_):
        evidence._db.execute("PRAGMA max_page_count = 20")
        evidence.add_sends((SENDS[0], bytes(1000)) for _ in range(1000))

    monkeypatch.setattr("consent_stream.inspection.lateness.find_late", find_late)
    refused = run()
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert "full" in line


def test_an_id_can_neither_colour_nor_move_what_is_shown(capsys):
    _print_tables(iter([LINE]), {**FIGURES, "late": 1, "senders": {"a": FIGURES}, "outcomes": {}, "unsaid": 0,
                                 "unjudged": 0, "unreadable": 0})  # fmt: skip
    shown = capsys.readouterr().out
    assert "m-[red]1�[2J" in shown
    assert "\x1b" not in shown
    assert "2026-03-01T12:00:00.000Z" in shown
    assert _messages([LINE]).row_count == 1


def test_a_table_for_people_ends_where_nobody_reads_on(capsys):
    told = {**FIGURES, "senders": {"a": FIGURES}, "outcomes": {"handed_over": 500}, "unsaid": 0, "unjudged": 7,
            "unreadable": 0, "judged_through": 0}  # fmt: skip
    _print_tables(iter([LINE] * 300), told)
    shown = capsys.readouterr().out
    assert shown.count("u-1") == 200
    assert "100 more" in shown
    assert "60.0000%" in shown
    assert "7 messages are not judged" in shown
