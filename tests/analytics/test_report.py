"""`consent-stream report`: a month is counted once, kept, and printed; what cannot be told is one line and exit 2."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_stream.analytics import monthly
from consent_stream.analytics.months import Month, Tally, month
from consent_stream.cli import main
from consent_stream.settings import Settings
from tests.analytics.test_disclosure import NO, OCTOBER, change, key

NOW = OCTOBER.end + 2 * monthly.GRACE


def counting(monkeypatch: pytest.MonkeyPatch, people: int) -> None:
    """Topics in which so many said no."""

    def count(_settings, of, *_):
        tally = Tally(of)
        for number in range(people):
            tally.add(key(number), change(NO, number))
        return monthly.Table(of.name, 0, tuple(tally.cells(["acme", "bolt"])))

    monkeypatch.setattr(monthly, "_count", count)


def run(folder: Path, *more: str):
    return CliRunner().invoke(main, ["report", "--kept", str(folder), *more])


def test_a_month_is_counted_once_and_told_the_same_for_ever(monkeypatch, tmp_path):
    counting(monkeypatch, 33)
    first = run(tmp_path / "kept", "--month", "2026-10")
    assert first.exit_code == 0, first.stderr
    assert "2026-10,acme,email,unsubscribed,30\n" in first.stdout
    assert '2026-10,acme,email,"said no, in all",30\n' in first.stdout
    assert "2026-10,bolt,sms,texted,<20\n" in first.stdout
    counting(monkeypatch, 70)  # as a rebuild by other rules might count
    assert run(tmp_path / "kept", "--month", "2026-10").stdout == first.stdout
    assert [each.name for each in (tmp_path / "kept").iterdir()] == ["2026-10.json"]


def test_lines_of_one_tenant_are_those_of_the_table(monkeypatch, tmp_path):
    counting(monkeypatch, 33)
    whole = run(tmp_path, "--month", "2026-10").stdout.splitlines()
    one = run(tmp_path, "--month", "2026-10", "--tenant", "acme").stdout.splitlines()
    assert one == [whole[0], *(line for line in whole if ",acme," in line)]
    refused = run(tmp_path, "--month", "2026-10", "--tenant", "nobody")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)


def test_json_has_the_same_numbers(monkeypatch, tmp_path):
    counting(monkeypatch, 33)
    said = json.loads(run(tmp_path, "--month", "2026-10", "--json").stdout)
    assert (said["month"], said["least"], said["step"]) == ("2026-10", 20, 5)
    told = {(each["tenant"], each["list"], each["what"]): each["people"] for each in said["cells"]}
    assert told["acme", "email", "unsubscribed"] == 30
    assert told["acme", "email", "bounced"] is None


def test_of_two_that_count_at_once_the_first_stands(monkeypatch, tmp_path):
    counting(monkeypatch, 33)
    settings = Settings()

    def count(*arguments):
        monthly_count(*arguments)
        counting(monkeypatch, 50)
        monthly.keep(tmp_path, settings, OCTOBER, NOW, 0, lambda *_: None)  # somebody else, meanwhile
        return monthly_count(*arguments)

    monthly_count = monthly._count
    monkeypatch.setattr(monthly, "_count", count)
    table = monthly.keep(tmp_path, settings, OCTOBER, NOW, 0, lambda *_: None)
    assert [each.people for each in table.cells if each.people] == [50, 50]
    assert [each.name for each in tmp_path.iterdir()] == ["2026-10.json"]


def test_a_kept_table_that_cannot_be_read_is_never_counted_again(monkeypatch, tmp_path):
    counting(monkeypatch, 33)
    (tmp_path / "2026-10.json").write_text('{"month"')
    refused = run(tmp_path, "--month", "2026-10")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "must not be counted again" in refused.stderr


def test_a_month_that_is_not_over_for_a_day_is_refused_before_anything_is_read():
    for now in (OCTOBER.begin, OCTOBER.end, OCTOBER.end + monthly.GRACE - 1):
        with pytest.raises(monthly.Untellable, match="not over"):
            monthly._count(Settings(), OCTOBER, now, 0, lambda *_: None)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-10-01", "last"])
def test_what_is_no_month_is_one_line_and_exit_2(text, tmp_path):
    refused = run(tmp_path, "--month", text)
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert "--month" in refused.stderr


def test_no_kafka_is_one_line_and_exit_2_and_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    refused = run(tmp_path / "kept", "--month", "2026-01", "--bootstrap", "127.0.0.1:1")
    assert (refused.exit_code, refused.stdout, refused.stderr.count("\n")) == (2, "", 1)
    assert not (tmp_path / "kept").exists()
    assert month("2026-01").end < time.time_ns() // 1000
    assert isinstance(OCTOBER, Month)
