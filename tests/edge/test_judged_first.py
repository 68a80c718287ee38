"""What is wrong with an edge's configuration is told before anything is opened: nothing is left on the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.keyfile import new_keys


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ("[unheard]\nof = 1\n", "unheard"),
        ("[edge]\nfreshness = 3\n", "edge.freshness"),
        ("[signals]\nper_minute = 0\n", "signals.per_minute"),
        ("[mail]\nlisten = 'nowhere'\nrecipients = ['u@example.com']\n", "mail.listen"),
        ("[pages]\nunheard = 1\n", "pages"),
    ],
)
def test_a_wrong_configuration_leaves_no_data_directory(tmp_path: Path, config: str, named: str) -> None:
    new_keys(tmp_path / "keys.toml")
    (tmp_path / "edge.toml").write_text(config)
    told = CliRunner().invoke(
        main,
        ["edge", "--port", "0", "--keys", str(tmp_path / "keys.toml"), "--config", str(tmp_path / "edge.toml"),
         "--data-dir", str(tmp_path / "data")],
    )  # fmt: skip
    assert (told.exit_code, named in told.stderr) == (2, True), told.stderr
    assert "CONSENT_EDGE_CONFIG" in told.stderr
    assert not (tmp_path / "data").exists()
