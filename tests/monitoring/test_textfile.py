"""The file of a run of `late-sends`: whole or not there, and no name of a person or sender in it."""

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from consent_stream.cli import main
from consent_stream.monitoring.textfile import late_sends_text, place

TOLD = {
    "sent": 500, "late": 3, "late_share": 0.006, "without_permission": 2, "p50_ms": 1.0, "p99_ms": 2.0,
    "max_ms": 1500.0, "unsaid": 0, "unjudged": 1, "unreadable": 0, "judged_through": 1, "outcomes": {},
    "senders": {"mailer": {}},
}  # fmt: skip


def values(text):
    families = text_string_to_metric_families(text.decode())
    return {sample.name: sample.value for family in families for sample in family.samples}


def test_figures_of_a_run():
    assert values(late_sends_text(TOLD, 5_000_000, 9_000_000)) == {
        "consent_late_sends": 3,
        "consent_late_sends_without_permission": 2,
        "consent_late_sends_judged": 500,
        "consent_late_sends_unjudged": 1,
        "consent_late_sends_unreadable": 0,
        "consent_late_sends_worst_seconds": 1.5,
        "consent_late_sends_window_start_timestamp_seconds": 5,
        "consent_late_sends_run_timestamp_seconds": 9,
    }
    assert values(late_sends_text({**TOLD, "max_ms": None}, None, 0))["consent_late_sends_worst_seconds"] == 0


def test_a_file_takes_the_place_of_the_one_before(tmp_path):
    path = tmp_path / "late.prom"
    for text in (b"one 1\n", b"two 2\n"):
        place(path, text)
        assert path.read_bytes() == text
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "late.prom").mkdir()
    with pytest.raises(OSError, match="directory"):
        place(tmp_path / "late.prom", b"one 1\n")
    assert [each.name for each in tmp_path.iterdir()] == ["late.prom"]


def test_without_an_answer_no_file_is_written(tmp_path, monkeypatch):
    """Its time stays what it was: an alert sees that nobody has looked."""
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    path = tmp_path / "late.prom"
    refused = CliRunner().invoke(main, ["late-sends", "--bootstrap", "127.0.0.1:1", "--metrics", str(path)])
    assert (refused.exit_code, path.exists()) == (2, False)
