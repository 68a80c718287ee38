"""What is wrong with a command line is one line and exit 2, before Kafka is asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_stream.cli import main

NOWHERE = ("--bootstrap", "127.0.0.1:1")
WINDOW = ("undo-bounces", "--tenant", "acme", "--from", "3h", "--to", "1h")
SIGNED = ("--as", "/ops", "--approved-by", "kim", "--reason", "outage", "--yes")
POLICY = """
[tenants.acme]
[sources."/ops"]
clock = "undated"
max_evidence = "E1"
tenants = ["acme"]
"""

WRONG = {
    "nothing selected": (("quarantine", "replay", "--yes"), "which records"),
    "nothing to drop": (("quarantine", "drop", "--reason", "r"), "which records"),
    "a drop without a reason": (("quarantine", "drop", "0:1"), "--reason"),
    "no place": (("quarantine", "show", "17"), "PARTITION:OFFSET"),
    "a place of letters": (("quarantine", "replay", "a:b", "--yes"), "PARTITION:OFFSET"),
    "everything again": (("quarantine", "replay", "--code", "x", "--all", "--yes"), "name each"),
    "a trial by no policy": (("quarantine", "replay", "--code", "x", "--dry-run"), "--policy"),
    "a time that is none": (("quarantine", "list", "--since", "yesterday"), "RFC 3339"),
    "an empty window": (
        ("undo-bounces", "--tenant", "acme", "--from", "1h", "--to", "2h"),
        "--from is not before --to",
    ),
    "no window": (("undo-bounces", "--tenant", "acme"), "--from"),
    "no domain": ((*WINDOW, "--domain", "no domain"), "is no domain"),
    "nobody approved it": ((*WINDOW, "--as", "/ops", "--yes"), "--approved-by"),
    "by no policy": ((*WINDOW, *SIGNED), "policy"),
    "as an unregistered source": ((*WINDOW, *SIGNED, "--as", "/rogue", "--policy", "policy.toml"), "would not count"),
    "as a source without a clock": ((*WINDOW, *SIGNED, "--policy", "policy.toml"), "would not count"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_argument_is_one_line(
    arguments: tuple[str, ...], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CONSENT_POLICY", raising=False)
    (tmp_path / "policy.toml").write_text(POLICY)
    ran = CliRunner().invoke(main, [*arguments, *NOWHERE])
    assert ran.exit_code == 2, ran.output
    assert len(ran.output.strip().splitlines()) == 1
    assert words in ran.output
