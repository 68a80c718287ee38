"""docs/analytics.sql on what the engine made of a story whose numbers are known beforehand, as the story is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.analytics.lake import DAY, HOUR, MINUTE, SECOND, Lake

SQL = Path(__file__).parents[2] / "docs" / "analytics.sql"
OCTOBER = int(datetime(2026, 10, 5, 9, tzinfo=UTC).timestamp()) * SECOND
NOVEMBER = OCTOBER + 31 * DAY


def address(number: int) -> str:
    return f"person{number}@example.com"


def story() -> Lake:
    """40 people of acme agree to news in October, 30 of them well proven; the rest of the story is in the tests."""
    lake = Lake()
    for n in range(40):
        lake.grant(OCTOBER + n * SECOND, address(n), "E3" if n < 30 else "E2", 1 if n < 25 else 2)
    for n in range(40):  # the first campaign, an hour later
        lake.send(OCTOBER + HOUR + n * SECOND, address(n), f"autumn/{n}")
    for n in range(4):  # scanners: five seconds after the mail
        unsubscribe(lake, OCTOBER + HOUR + (n + 5) * SECOND, n)
    for n in range(4, 10):  # people: 30 minutes after it, or two days
        unsubscribe(lake, OCTOBER + HOUR + n * SECOND + (30 * MINUTE if n < 7 else 2 * DAY), n)
    lake.event(OCTOBER + 3 * DAY, "unsubscribe.global", email=address(10), contact="c-10")  # two keys, three lists
    lake.event(OCTOBER + 3 * DAY + HOUR, "feedback.complaint", email=address(11), channel="email")
    lake.event(OCTOBER + 3 * DAY + 2 * HOUR, "delivery.bounced", email=address(12), status="5.1.1")
    for n in (4, 5):  # who was unsubscribed by mistake comes back, after a day and after five
        lake.grant(OCTOBER + (1 if n == 4 else 5) * DAY + 2 * HOUR, address(n), "E3", 2)
    for n in range(20, 40):  # the second campaign, a month later
        lake.send(NOVEMBER + n * SECOND, address(n), f"winter/{n}", scope="news/weekly")
    lake.send(NOVEMBER + HOUR, address(10), "winter/10", scope="news/weekly")  # who said no to all
    lake.send(NOVEMBER + HOUR, address(7), "winter/7", scope="news/weekly")  # who said no to news
    lake.held_back(NOVEMBER + HOUR, address(8), "winter/8")
    unsubscribe(lake, NOVEMBER + 20 * DAY, 20)  # too long after to be because of it
    for n, (scope, level) in enumerate([("partners/acme-data", "E2"), ("partners/acme-data", "E4"), ("labs", "E2")]):
        kind = "sharing.optin_confirmed" if level == "E4" else "sharing.optin"
        notice = {"id": "n1", "version": 1}
        lake.event(NOVEMBER + n, kind, email=address(30 + n), scope=scope, notice=notice, evidence=level)
    lake.event(NOVEMBER, "consent.confirmed", "bolt", email=address(0), channel="email", scope="tips",
               notice={"id": "n1", "version": 1}, evidence="E3")  # fmt: skip
    lake.send(NOVEMBER + HOUR, address(0), "hello/0", "bolt", "tips")
    return lake


def unsubscribe(lake: Lake, at: int, n: int) -> None:
    lake.event(at, "unsubscribe.oneclick", email=address(n), channel="email", scope="news")


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    folder = tmp_path_factory.mktemp("lake")
    story().write(folder)
    with duckdb.connect() as db:
        db.execute("SET VARIABLE lake = ?", [str(folder)])
        db.execute(SQL.read_text())
        yield db


def ask(lake: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    return lake.sql(sql).fetchall()


def test_optout_rate_by_program(lake):
    october, november = date(2026, 10, 1), date(2026, 11, 1)
    assert ask(lake, "SELECT * FROM optout_rate_by_program WHERE channel = 'email'") == [
        (october, "acme", "email", "news", 40, 11, 11 / 40),  # the ten, and one who said no to everything
        (november, "acme", "email", "news", 22, 0, 0.0),
        (november, "acme", "email", None, 0, 1, None),
        (november, "bolt", "email", "tips", 1, 0, 0.0),
    ]


def test_optout_rate_by_campaign(lake):
    found = ask(lake, "SELECT tenant, program, campaign, messages, optouts, rate FROM optout_rate_by_campaign")
    assert found == [
        ("acme", "news", "autumn", 40, 11, 11 / 40),
        ("acme", "news", "winter", 22, 0, 0.0),
        ("bolt", "tips", "hello", 1, 0, 0.0),
    ]


def test_time_to_optout(lake):
    last = timedelta(days=3) - timedelta(hours=1, seconds=10)
    waits = sorted([timedelta(seconds=5)] * 4 + [timedelta(minutes=30)] * 3 + [timedelta(days=2)] * 3 + [last])
    assert ask(lake, "FROM time_to_optout WHERE channel = 'email'") == [
        ("acme", "email", "news", 11, waits[5], waits[9], 7)
    ]


def test_scanner_share(lake):
    assert ask(lake, "FROM scanner_share") == [(date(2026, 10, 1), "acme", 11, 4, 4 / 11)]


def test_reconsent(lake):
    waits = [timedelta(days=1, hours=2) - timedelta(hours=1, minutes=30, seconds=4),
             timedelta(days=5, hours=2) - timedelta(hours=1, minutes=30, seconds=5)]  # fmt: skip
    assert ask(lake, "FROM reconsent WHERE channel = 'email'") == [
        ("acme", "email", "*", 1, 0, 0.0, None),
        ("acme", "email", "news", 11, 2, 2 / 11, min(waits)),
    ]


def test_evidence_quality(lake):
    assert ask(lake, "FROM evidence_quality") == [
        (date(2026, 10, 1), "acme", "marketing", "/forms", 42, 0, 0, 10, 32, 0, 32 / 42),
        (date(2026, 11, 1), "acme", "sharing", "/forms", 3, 0, 0, 2, 0, 1, 1 / 3),
        (date(2026, 11, 1), "bolt", "marketing", "/forms", 1, 0, 0, 0, 1, 0, 1.0),
    ]


def test_notices_in_force(lake):
    found = ask(lake, "SELECT tenant, purpose, notice_id, notice_version, consents FROM notices_in_force")
    assert found == [
        ("acme", "marketing", "n1", "1", 23),  # 25, of whom two came back under the second
        ("acme", "marketing", "n1", "2", 17),
        ("acme", "sharing", "n1", "1", 3),
        ("bolt", "marketing", "n1", "1", 1),
    ]
    ((until,),) = ask(lake, "SELECT last_until FROM notices_in_force WHERE tenant = 'bolt'")
    assert until == datetime(2028, 11, 5, 9, tzinfo=UTC)


def test_sharing_optins(lake):
    assert ask(lake, "FROM sharing_optins") == [
        (date(2026, 11, 1), "acme", "labs", 1, 0),
        (date(2026, 11, 1), "acme", "partners/acme-data", 2, 1),
    ]


def test_complaints_per_thousand(lake):
    assert ask(lake, "FROM complaints_per_thousand") == [
        (date(2026, 10, 1), "acme", "email", 40, 1, 25.0),
        (date(2026, 11, 1), "acme", "email", 22, 0, 0.0),
        (date(2026, 11, 1), "bolt", "email", 1, 0, 0.0),
    ]


def test_late_sends(lake):
    assert ask(lake, "FROM late_sends") == [
        ("mailer", date(2026, 10, 5), "acme", "email", 40, 0, 0.0),
        ("mailer", date(2026, 11, 5), "acme", "email", 22, 2, 2 / 22),
        ("mailer", date(2026, 11, 5), "bolt", "email", 1, 0, 0.0),
    ]


def test_standing_by_day(lake):
    """Who has a grant alone and never had another standing is on no list of changes before it."""
    found = ask(lake, "SELECT day, status, keys FROM standing_by_day WHERE tenant = 'acme' AND channel = 'email'")
    by_day: dict[date, dict[str, int]] = {}
    for day, status, keys in found:
        by_day.setdefault(day, {})[status] = keys
    assert by_day[date(2026, 10, 5)] == {"CLEAR": 0, "PARTIAL": 7, "SUPPRESSED": 0}
    assert by_day[date(2026, 10, 6)] == {"CLEAR": 1, "PARTIAL": 6, "SUPPRESSED": 0}
    assert by_day[date(2026, 10, 7)] == {"CLEAR": 1, "PARTIAL": 9, "SUPPRESSED": 0}
    assert by_day[date(2026, 10, 8)] == {"CLEAR": 1, "PARTIAL": 9, "SUPPRESSED": 3}
    assert by_day[date(2026, 10, 10)] == {"CLEAR": 2, "PARTIAL": 8, "SUPPRESSED": 3}
    assert by_day[date(2026, 11, 25)] == {"CLEAR": 2, "PARTIAL": 9, "SUPPRESSED": 3}


def test_no_address_is_in_any_file(lake):
    for view in ("changes", "sends", "ledger"):
        rows = ask(lake, f"FROM {view}")
        assert rows
        assert "@" not in repr(rows)
        assert "c-10" not in repr(rows)


def test_every_question_of_the_file_is_asked_here(lake):
    asked = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    numbered = [
        line for line in SQL.read_text().splitlines() if line.startswith("-- ") and line[3:5].strip(". ").isdigit()
    ]
    assert len(numbered) >= 11 + 3, "and the three remarks on top"
    views = {name for (name,) in ask(lake, "SELECT view_name FROM duckdb_views() WHERE NOT internal")}
    steps = {
        *("changes", "sends", "ledger", "messages", "message_keys", "denials", "optout_keys", "attributed"),
        *("grants", "complaints", "standings"),
    }
    assert views - steps == asked & views
    assert len(asked & views) == 11
