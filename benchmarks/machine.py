"""Where and with what the figures were made."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import confluent_kafka

from benchmarks.environments import QUIX, ROOT
from consent_stream.dev.jars import KAFKA_VERSION, java
from consent_stream.domain import registers

PACKAGES = ("confluent-kafka", "faust-streaming", "aiokafka", "rocksdict", "orjson")


def machine_lines() -> list[str]:
    """Markdown bullets: machine, versions, commit."""
    return [
        f"- machine: {_processor()}, {os.cpu_count()} cores, {_memory_gib():.0f} GiB, {platform.system()} "
        f"{platform.release()}; broker, load and engines share it",
        f"- versions: Python {platform.python_version()}, {_java_version()}, Kafka {KAFKA_VERSION}, "
        f"librdkafka {confluent_kafka.libversion()[0]}, "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES)
        + f", {QUIX[0].replace('==', ' ')} (own environment)",
        f"- commit: {_commit()}; the rules run {_build()}",
    ]


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found.group(1).strip() if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30


def _java_version() -> str:
    told = subprocess.run([java(), "-version"], capture_output=True, text=True, check=True)
    return (told.stderr or told.stdout).splitlines()[0].replace('"', "")


def _build() -> str:
    compiled = not str(registers.__file__).endswith(".py")  # setup.py, CONSENT_COMPILE
    return "compiled" if compiled else "interpreted"


def _commit() -> str:
    head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    if head.returncode != 0:
        return "not a git checkout"
    changed = subprocess.run(["git", "status", "--porcelain", "--", "consent_stream", "benchmarks"],
                             cwd=ROOT, capture_output=True, text=True, check=True).stdout  # fmt: skip
    return head.stdout.strip() + (" with uncommitted changes" if changed.strip() else "")
