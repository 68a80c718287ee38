"""`simulate --through` on the embedded broker: it keeps no topic settings, so append times could not be given."""

from pathlib import Path

from click.testing import CliRunner

from consent_stream.cli import main

SCENARIO = Path(__file__).parents[1] / "scenarios" / "T04.json"


def test_the_embedded_broker_is_refused(embedded: str) -> None:
    result = CliRunner().invoke(main, ["simulate", str(SCENARIO), "--through", embedded])
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{embedded} is the embedded broker" in result.stderr
