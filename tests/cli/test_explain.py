"""`consent-stream explain`: bad arguments, and what is shown. (What is told: tests/gate/test_explaining.py.)"""

import pytest
from click.testing import CliRunner

from consent_stream.cli import main
from consent_stream.commands import explain as module
from consent_stream.gate.explaining import explain
from consent_stream.gate.question import Question
from tests.gate.made import ANA, ANAS, entry, grant, restriction
from tests.gate.mailer import Mailer


def run(*arguments, command="explain"):
    return CliRunner().invoke(main, [command, "--tenant", "acme", *arguments])


@pytest.mark.parametrize("command", ["check", "explain"])
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ((), "--email"),
        (("--email", ANA, "--phone", "+12015550123"), "--email"),
        (("--email", ANA), "keys"),
        (("--email", ANA, "--keys", "/no/such/file", "--at", "noon"), "--at"),
        (("--email", ANA, "--keys", "/no/such/file"), "/no/such/file"),
    ],
)
def test_a_bad_argument_is_one_line_and_exit_2(command, arguments, word):
    refused = run(*arguments, command=command)
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert word in line


def test_words_come_first_and_ids_after(capsys):
    mailer = Mailer().get_ready()
    mailer.rows((ANAS, entry(grant(ident="g-\x1b[2J[red]"), restriction("complaint", ident="complaint-1"))))
    question = Question("acme", email=ANA, scope="news")
    asked = type("Asked", (), {"question": question})
    module._tell(explain(mailer.checker, question), asked, None)
    shown = capsys.readouterr().out
    assert shown.startswith("DENY  marketing, scope news")
    for one, other in (("complained", "complaint-1"), ("complaint-1", ANAS.hex())):
        assert 0 < shown.index(one) < shown.index(other)
    assert "\x1b" not in shown
    assert "[red]" in shown
    assert ANA not in shown
