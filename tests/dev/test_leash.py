"""A leashed program dies with its parent, whatever ends that."""

import os
import subprocess
import sys
import time

import pytest

from consent_stream.dev.leash import leashed

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux can tie a child to its parent's life")

PARENT = """
import subprocess, sys, time
from consent_stream.dev.leash import leashed
child = subprocess.Popen(leashed(["sleep", "60"]), start_new_session=True)
print(child.pid, flush=True)
time.sleep(60)
"""


def test_the_program_runs_with_its_arguments_and_exit_code():
    ran = subprocess.run(leashed(["sh", "-c", "echo $0; exit 3", "hello"]), capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("hello\n", 3)


def test_the_child_of_a_killed_parent_dies():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        _await(lambda: _program(child) == "sleep")
        parent.kill()
    _await(lambda: _program(child) is None)


def test_a_program_whose_parent_is_gone_already_never_starts():
    command = leashed(["echo", "started"])
    command[command.index(str(os.getpid()))] = "1"  # somebody else's id: what getppid() tells after the parent died
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.returncode) == ("", 1)


def _program(pid: int) -> str | None:
    """The name of a running program; None when it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            name, _, rest = file.read().partition("(")[2].rpartition(")")
    except OSError:
        return None
    return None if rest.split()[0] == "Z" else name


def _await(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
