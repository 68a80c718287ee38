"""deploy/systemd: units that systemd reads, with command lines and variables that exist."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.test_deployment import ROOT, SETTINGS, parse

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
PROGRAM = "/opt/consent-stream/bin/consent-stream"
PLAIN = {"%i": "1", "%l": "host", "%S": "/var/lib", "%d": "/run/credentials", "${CONSENT_GATE_PORT}": "8765"}
SEALED = {
    "ProtectSystem=strict", "ProtectHome=yes", "PrivateTmp=yes", "NoNewPrivileges=yes", "CapabilityBoundingSet=",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX", "SystemCallFilter=@system-service", "UMask=0077",
}  # fmt: skip


def lines(unit: Path) -> list[str]:
    return [line for line in unit.read_text().splitlines() if line and not line.startswith("#")]


def values(unit: Path, name: str) -> list[str]:
    return [line.partition("=")[2] for line in lines(unit) if line.startswith(f"{name}=")]


def plain(text: str, instance: str) -> str:
    for specifier, value in {**PLAIN, "%i": instance}.items():
        text = text.replace(specifier, value)
    return text


def test_there_is_one_for_each_process():
    assert [each.name for each in UNITS] == [
        "consent-stream-canary.service",
        "consent-stream-console.service",
        "consent-stream-edge.service",
        "consent-stream-gate-follow@.service",
        "consent-stream-gate-serve@.service",
        "consent-stream-late-sends.service",
        "consent-stream-worker@.service",
    ]


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_its_command_line_parses(unit):
    (line,) = values(unit, "ExecStart")
    program, *arguments = shlex.split(plain(line, "1" if "worker" in unit.name else "email"))
    assert program == PROGRAM
    parse(arguments)


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_its_variables_are_settings_and_hold_no_secret(unit):
    shared = [line.partition("=")[0] for line in lines(FOLDER / "consent-stream.env")]
    own = [each.partition("=")[0] for each in values(unit, "Environment")]
    assert set(shared + own) <= SETTINGS
    assert not set(shared) & set(own), "the file would go before the unit"
    assert "CONSENT_SASL_PASSWORD" not in shared + own
    credentials = {each.partition(":")[0] for each in values(unit, "LoadCredential")}
    used = {each.rpartition("/")[2] for each in values(unit, "Environment") if "%d/" in each}
    used |= set(re.findall(r"%d/([\w.-]+)", *values(unit, "ExecStart")))
    assert used == credentials


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_it_is_sealed_and_started_again(unit):
    found = set(lines(unit))
    assert found >= SEALED
    assert {"Restart=on-failure", "RestartPreventExitStatus=2", "StartLimitIntervalSec=0"} <= found
    assert found & {"DynamicUser=yes", "User=consent-gate"}


def test_a_worker_has_time_to_finish_its_slice():
    """The longest wait for a proof is the outbox's."""
    from consent_stream.engine.outbox import Outbox

    longest = Outbox.__init__.__kwdefaults__["timeout"]
    (given,) = values(FOLDER / "consent-stream-worker@.service", "TimeoutStopSec")
    assert float(given.removesuffix("s")) > longest


if shutil.which("systemd-analyze"):  # part of systemd, which a container does not have

    def test_systemd_reads_them(tmp_path):
        for unit in UNITS:
            # An instance; its program need not be installed here.
            text = unit.read_text().replace(PROGRAM, "/bin/true")
            (tmp_path / unit.name.replace("@", "@1")).write_text(text)
        found = subprocess.run(
            ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
        )
        assert (found.returncode, [line for line in found.stderr.splitlines() if str(tmp_path) in line]) == (0, [])
