"""Importing is silent: no socket, no process, no file, no environment, no output. Only calls do things."""

import subprocess
import sys
from pathlib import Path

import pytest

import consent_stream

PACKAGE = Path(consent_stream.__file__).parent
MODULES = sorted(
    ".".join(("consent_stream", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    for path in PACKAGE.rglob("*.py")
    if path.name != "__main__.py"
)

# Runs in a fresh interpreter. An act counts when the nearest frame outside the standard library is ours; what the
# import machinery itself opens (our sources) and what libraries do in their own modules is theirs.
SPY = """
import os, sys, sysconfig
PACKAGE, STANDARD = sys.argv[1], sysconfig.get_paths()["stdlib"]
acts = []

def ours(depth):
    frame = sys._getframe(depth)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        if name.startswith(PACKAGE):
            return True
        if "site-packages" in name or not (name.startswith(STANDARD) or name.startswith("<")):
            return False
        frame = frame.f_back
    return False

WATCHED = ("open", "socket.", "subprocess.", "tempfile.", "os.system", "os.exec", "os.mkdir", "os.listdir", "os.scan")

def hook(event, arguments):
    if event.startswith(WATCHED) and ours(2):
        acts.append(f"{event} {arguments[:1]!r}")

read = os._Environ.__getitem__
def spied(self, key):
    if ours(2):
        acts.append(f"environment {key}")
    return read(self, key)

os._Environ.__getitem__ = spied
sys.addaudithook(hook)
for module in sys.argv[2:]:
    __import__(module)
print(*acts, sep="\\n", end="")
"""


def acts(package: Path, *modules: str) -> str:
    command = [sys.executable, "-c", SPY, str(package), *modules]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=package.parent, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout + ran.stderr


def test_importing_every_module_does_nothing():
    assert acts(PACKAGE, *MODULES) == ""


@pytest.mark.parametrize(
    "line",
    [
        "import os; os.environ.get('HOME')",
        "import os; os.getenv('HOME')",
        "from pathlib import Path; Path(__file__).read_text()",
        "import socket; socket.socket()",
        "import subprocess; subprocess.run(['true'])",
        "print('hello')",
    ],
)
def test_the_check_sees_what_it_forbids(line, tmp_path):
    package = tmp_path / "loud"
    package.mkdir()
    (package / "__init__.py").write_text(line)
    assert acts(package, "loud") != ""
