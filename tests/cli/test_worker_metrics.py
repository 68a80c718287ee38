"""`worker --metrics`: a wrong place is one line and exit 2, before anything is started."""

import pytest
from click.testing import CliRunner

from consent_stream.commands.worker import command


@pytest.mark.parametrize("where", ["9100x", "localhost:", "70000", "0"])
def test_a_place_that_is_none_is_refused(where):
    result = CliRunner().invoke(command, ["--metrics", where])
    assert result.exit_code == 2
    assert "--metrics" in result.output
    assert "[HOST:]PORT" in result.output
