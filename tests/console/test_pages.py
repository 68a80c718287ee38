"""What pages say: of now, of old figures, of nothing yet."""

from __future__ import annotations

import pytest

from consent_stream.console.model import Group, Model, Reading
from consent_stream.wire.control import ACTIVE
from tests.console.made import ANA, NOW, S, filled, report
from tests.console.site import site


@pytest.fixture
def show():
    """A page of a model at an instant, as text."""

    def shown(path, model=None, now=NOW):
        with site(model, clock=lambda: now) as found:
            found.log_in()
            answer = found.get(path)
            assert answer.status == 200
            return " ".join(answer.text.split())

    return shown


def test_flow_tells_rates_lag_workers_and_edges(show):
    text = show("/")
    for said in (
        "/s",
        "0.3 s behind",
        "3.5 s behind",
        "4.0 s behind",
        "worker-2",
        "10.0.0.12",
        "edge-1",
        "generation 0",
    ):
        assert said in text
    assert "2 of 3 fresh" in text
    assert "42 s behind at most; 1 silent" in text
    assert "No kill switch is on." in text
    assert "As of 2026-11-24 22:05:32 UTC." in text


def test_a_kill_switch_stands_first(show):
    text = show("/", filled(stopped=True))
    assert "Sending is stopped" in text
    assert "acme, email" in text
    assert "wrong template (by ops, 2026-11-24 22:04:33 UTC)" in text
    assert text.index("Sending is stopped") < text.index("From an event to the gates")


def test_old_figures_say_so_on_every_page(show):
    model = filled()
    model.trouble = "no Kafka answers at 127.0.0.1:9092"
    for path in ("/", "/gates", "/optouts", "/search", "/quarantine"):
        text = show(path, model, NOW + 599 * S)
        assert "Old figures." in text
        assert "10 min ago, at 2026-11-24 22:05:32 UTC" in text
        assert "no Kafka answers at 127.0.0.1:9092" in text


def test_before_kafka_answered_there_are_no_figures(show):
    text = show("/", Model())
    assert "No figures yet." in text
    assert "not told" in text
    assert "Not read yet." in text


def test_a_console_without_figures_is_not_ready():
    with site(Model()) as found:
        answer = found.get("/readyz")
        assert answer.status == 503
        assert "consent_console_figures_age_seconds -1.0" in found.get("/metrics").text


def test_how_much_of_the_past_is_read(show):
    model = filled()
    model.reading = Reading(12_000, 96_000)
    model.unreadable["consent.gates"] = 2
    text = show("/optouts", model)
    assert "12,000 of 96,000 records" in text
    assert "2 records in our topics cannot be read" in text


def test_what_is_wrong_with_the_workers_or_the_lists_is_said(show):
    model = filled()
    model.group = Group(trouble="Broker: Group authorization failed")
    model.control.take(ACTIVE, b"garbage")
    text = show("/", model)
    assert "Broker: Group authorization failed" in text
    assert "cannot be read: they deny" in text
    model.group = Group("empty", ())
    assert "No worker is in the group." in show("/", model)


def test_gates_the_worst_first(show):
    text = show("/gates")
    assert text.index("mta-3") < text.index("mta-2") < text.index("mta-1")
    for said in (
        "silent",
        "stale",
        "fresh",
        "1,234,567",
        "2026-11-24 22:05:32 UTC",
        "email</strong>: 1 of 2 fresh, 1 silent",
    ):
        assert said in text


def test_what_others_chose_is_text_and_nothing_else(show):
    model = filled()
    model.gatesheet.hear(report("<script>alert(1)</script>", trouble="<b>\x1b[31m"), NOW)
    text = show("/gates", model)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "\x1b" not in text


def test_optouts_as_a_plot_and_as_a_table(show):
    text = show("/optouts")
    assert text.count('<rect class="bar"') == 48
    assert "<desc" in text
    assert "news" in text
    assert "unsubscribed" in text
    sms = show("/optouts?list=sms")
    assert "sms_stop" in sms
    assert "<strong>1</strong> in the last 48 hours" in sms


def test_a_list_that_is_none():
    with site() as found:
        found.log_in()
        assert found.get("/optouts?list=fax").status == 404


def test_quarantine_by_code(show):
    text = show("/quarantine")
    assert "<strong>3</strong> records" in text
    assert "consent.events 1:42" in text
    assert "may be a withdrawal" in text
    assert "dropped by ops" in text
    assert ANA not in text
    only = show("/quarantine?code=unknown_type")
    assert "0:41" in only
    assert "0:40" not in only
    assert "None among the newest." in show("/quarantine?code=%3Cb%3E")
