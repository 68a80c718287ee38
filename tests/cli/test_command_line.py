"""The command line itself: quick help, one line for what is wrong, exit codes that scripts rely on."""

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from consent_stream.cli import COMMANDS, main


def run(*arguments: str):
    return CliRunner().invoke(main, list(arguments))


def test_help_names_every_command_and_imports_none_of_them():
    script = (
        "import sys\nfrom consent_stream.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "late = ('consent_stream.commands.', 'faust', 'confluent_kafka')\n"
        "print([each for each in sys.modules if each.startswith(late)])"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert all(f"  {name} " in told for name in COMMANDS)
    assert told.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_loads_and_explains_itself_with_help(name):
    told = run(name, "--help")
    assert told.exit_code == 0, told.stderr
    assert "Usage:" in told.stdout


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["nonsense"], "nonsense"),
        (["dev", "kafka", "--port", "many"], "--port"),
        (["dev", "broker", "--port", "70000"], "--port"),
        (["topics", "diff", "--bootstrap", "nowhere"], "--bootstrap (CONSENT_BOOTSTRAP)"),
        (["topics", "diff", "--bootstrap", "kafka.example.com:9092"], "--insecure"),
        (["topics", "apply", "--partitions", "0"], "--partitions"),
        (["publish", "/no/such/file"], "/no/such/file"),
        (["keys", "new"], "FILE"),
    ],
)
def test_what_is_wrong_is_one_line_and_exit_2(arguments, named):
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert refused.stdout == ""
    assert refused.stderr.count("\n") == 1
    assert named in refused.stderr


@pytest.mark.parametrize("seconds", ["inf", "-inf", "nan", "-nan", "1e400", "1e308", "-1", "86401", "soon"])
@pytest.mark.parametrize(
    ("arguments", "flag"), [(["publish", __file__], "--wait"), (["check", "--tenant", "acme"], "--timeout")]
)
def test_a_wait_that_no_clock_knows_is_refused_before_anything_is_sent(arguments, flag, seconds, monkeypatch):
    monkeypatch.setattr("consent_stream.commands.publish._publish", lambda *_: pytest.fail("published"))
    refused = run(*arguments, flag, seconds)
    assert (refused.exit_code, refused.stdout) == (2, "")
    (line,) = refused.stderr.splitlines()
    assert flag in line


def test_the_environment_is_read_when_a_command_runs(monkeypatch):
    monkeypatch.setenv("CONSENT_TOPIC_PREFIX", "not a name")
    assert "CONSENT_TOPIC_PREFIX" in run("topics", "diff").stderr


def test_a_missing_extra_is_named_with_what_installs_it(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError("No module named 'faust'", name="faust.app")

    monkeypatch.setattr("consent_stream.cli.import_module", absent)
    refused = run("worker")
    assert refused.exit_code == 2
    assert "pip install 'consent-stream[worker]'" in refused.stderr


@pytest.mark.parametrize("command", ["worker", "demo"])
def test_a_core_install_says_what_it_lacks_in_one_line(command):
    without_faust = (
        "import sys, importlib.util as u; sys.modules['faust'] = None; find = u.find_spec;"
        "u.find_spec = lambda name: None if name == 'faust' else find(name);"
        f"sys.argv = ['consent-stream', {command!r}]; from consent_stream.cli import main; main()"
    )
    ran = subprocess.run([sys.executable, "-c", without_faust], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (2, "")
    (line,) = ran.stderr.splitlines()
    assert "pip install 'consent-stream[worker]'" in line


def test_a_fault_of_our_own_is_not_dressed_up_as_a_missing_extra(monkeypatch):
    def broken(name):
        raise ModuleNotFoundError("No module named 'consent_stream.nowhere'", name="consent_stream.nowhere")

    monkeypatch.setattr("consent_stream.cli.import_module", broken)
    assert isinstance(run("worker").exception, ModuleNotFoundError)


def test_every_command_module_is_a_click_command():
    with click.Context(main) as context:
        for name in ("dev", "keys", "topics", "publish"):
            assert isinstance(main.get_command(context, name), click.Command)


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m consent_stream --help | head -1"
    ran = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert ran.stderr == ""
