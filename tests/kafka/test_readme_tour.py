"""The five minutes of the README, command by command as they stand there, and what they print."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import consent_stream
from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import free_ports

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
ROOT = Path(consent_stream.__file__).parent.parent
TERMINAL = re.compile(r"```sh\n# terminal (\d)\n(.*?)```\n(?:(?:(?!```).)*?\n```\n(.*?)```)?", re.DOTALL)
ACTIVATE = ". .venv/bin/activate"  # this test's interpreter is active already


def terminals() -> list[tuple[str, list[str], str]]:
    """(terminal, its commands, what the README says they print) in the order of the README."""
    found = TERMINAL.findall((ROOT / "README.md").read_text())
    return [(number, [c for c in block.splitlines() if c != ACTIVATE], shown) for number, block, shown in found]


@pytest.fixture
def place(tmp_path) -> Path:
    """The project's directory as a newcomer sees it, in which files can be made."""
    for name in ("examples", "consent_stream"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@contextmanager
def running(command: str, place: Path, environ: dict[str, str], log: str) -> Iterator[None]:
    """A command that goes on in its terminal, from its `ready` on."""
    with (place / log).open("wb") as stderr:
        process = subprocess.Popen(
            leashed(["bash", "-c", f"exec {command}"]), cwd=place, env=environ, stdout=subprocess.PIPE, stderr=stderr
        )
    assert process.stdout is not None
    with process:
        try:
            assert process.stdout.readline().startswith(b"ready"), (place / log).read_text()
            yield
        finally:
            process.terminate()
        assert process.wait(30) == 0


def typed(commands: list[str], place: Path, environ: dict[str, str]) -> str:
    """What commands print, typed one after the other into one shell."""
    ran = subprocess.run(
        ["bash", "-c", "\n".join(commands)],
        cwd=place,
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in ran.stderr, ran.stderr
    return ran.stdout


def alike(text: str) -> list[str]:
    """Lines without their figures: those differ from run to run. Receipts aside, which are nothing else."""
    lines = (re.sub(r"\d+(\.\d+)?", "0", line.rstrip()) for line in text.splitlines())
    return [line for line in lines if line and line != "0:0"]


def test_the_tour_prints_what_the_readme_says(kafka, place):
    # `kafka` is asked for only so that this is skipped where no Kafka can be had: the tour starts its own.
    (port,) = free_ports(1)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
    environ |= {"PATH": f"{Path(sys.executable).parent}:{environ['PATH']}", "CONSENT_BOOTSTRAP": f"127.0.0.1:{port}"}
    (_, first, _), (_, second, _), *rest = terminals()
    assert [terminal for terminal, _, _ in rest] == ["3", "3"]
    with running(first[-1].replace("9092", str(port)), place, environ, "kafka.log"):
        made = typed(second[:-1], place, environ)
        assert "consent.events" in made
        with running(second[-1], place, environ, "worker.log"):
            before, after = rest
            printed = typed([*before[1], 'echo "====="', *after[1]], place, environ)
    answers, sent = printed.split("=====\n")
    assert alike(answers) == alike(before[2])
    assert alike(sent) == alike(after[2])
    assert [json.loads(line)["sent"] for line in sent.splitlines() if line.startswith("{")] == [False] * 4
