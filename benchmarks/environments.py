"""What the rivals need beside the project's own environment: jars, a compiled class, a venv for Quix Streams."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from consent_stream.dev.jars import cache_dir, java, kafka_jars

ROOT = Path(__file__).parent.parent
STREAMS_SOURCE = ROOT / "benchmarks" / "rivals" / "Streams.java"
QUIX = ("quixstreams==3.28.1", "orjson>=3.10")  # it wants confluent-kafka <2.13, so it cannot live in our environment
PROFILER = ("py-spy==0.4.3",)  # samples a running process from outside; of no use to the project itself


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def streams_command() -> list[str]:
    """The start of the Kafka Streams rival's command line; compiles it when its source has changed.

    Errors: ToolMissing without a JDK or Maven, CalledProcessError when javac refuses.
    """
    jars = kafka_jars("tools", say)
    program = java()
    source = STREAMS_SOURCE.read_bytes()
    classes = cache_dir() / f"race-classes-{hashlib.sha256(source).hexdigest()[:16]}"
    with _locked(classes):
        if not (classes / "Streams.class").exists():
            compiler = shutil.which("javac", path=str(Path(program).parent)) or "javac"
            subprocess.run(
                [compiler, "-nowarn", "-cp", f"{jars}/*", "-d", str(classes), str(STREAMS_SOURCE)], check=True
            )
    quiet = ROOT / "consent_stream" / "dev" / "log4j2.properties"
    options = ["-Xms512m", "-Xmx1g", f"-Dlog4j2.configurationFile={quiet}"]
    return [program, *options, "-cp", f"{classes}{os.pathsep}{jars}/*", "Streams"]


def quix_command() -> list[str]:
    """The start of the Quix Streams rival's command line; makes its environment the first time.

    Errors: CalledProcessError when pip refuses.
    """
    return [str(_environment(QUIX) / "python"), "-m", "benchmarks.rivals.quix"]


def profiler_command() -> list[str]:
    """The start of the sampling profiler's command line; makes its environment the first time.

    Errors: CalledProcessError when pip refuses.
    """
    return [str(_environment(PROFILER) / "py-spy")]


def compiled_python() -> str | None:
    """Python of an environment with the product's compiled build (setup.py), made once per state of the sources.

    None without a C compiler. Errors: CalledProcessError when the build fails.
    """
    if shutil.which("cc") is None:
        return None
    digest = hashlib.sha256()
    for source in (*sorted((ROOT / "consent_stream").rglob("*.py")), ROOT / "setup.py", ROOT / "pyproject.toml"):
        digest.update(source.read_bytes())
    home = cache_dir() / f"bench-compiled-{digest.hexdigest()[:16]}"
    with _locked(home):
        if not (home / "ready").exists():
            say("compiling the product into an environment of its own (once per change) …")
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run(
                [str(home / "bin" / "pip"), "install", "-q", f"{ROOT}[worker]"],
                env={**os.environ, "CONSENT_COMPILE": "1"},
                check=True,
            )
            (home / "ready").touch()
    return str(home / "bin" / "python")


def _environment(packages: tuple[str, ...]) -> Path:
    """The programs of a virtual environment with `packages`, made once per user."""
    home = cache_dir() / f"bench-{packages[0].replace('==', '-')}"
    with _locked(home):
        if not (home / "ready").exists():
            say(f"installing {packages[0]} into an environment of its own (once) …")
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(home)], check=True)
            subprocess.run([str(home / "bin" / "pip"), "install", "-q", *packages], check=True)
            (home / "ready").touch()
    return home / "bin"


def module_command(name: str) -> list[str]:
    """The start of the command line of a rival that runs in our own environment."""
    return [sys.executable, "-m", f"benchmarks.rivals.{name}"]


def rival_environment() -> dict[str, str]:
    """The environment of every rival: ours, and the repository on Python's path."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_name(f"{target.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
