"""The jar cache: one fetch for many starters, never a half directory, and a clear word when a program is missing."""

import subprocess
import sys

import pytest

from consent_stream.dev.errors import DevError, ToolMissing
from consent_stream.dev.jars import KAFKA_VERSION, cache_dir, java, kafka_jars

FAKE_MAVEN = """#!/bin/sh
echo fetched >> "$FETCHES"
sleep 0.3
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) out="${argument#*=}";; esac; done
mkdir -p "$out" && echo jar > "$out/kafka.jar"
[ -z "$MAVEN_FAILS" ] || { echo "[ERROR] Could not resolve kafka_2.13"; exit 1; }
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A machine with these programs only: `machine(mvn="…script…")`. Its cache is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("FETCHES", str(tmp_path / "fetches"))
    monkeypatch.delenv("JAVA_HOME", raising=False)

    def install(path="/usr/bin:/bin", **programs):
        for name, script in programs.items():
            program = tmp_path / "bin" / name
            program.parent.mkdir(exist_ok=True)
            program.write_text(script)
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{path}" if path else str(tmp_path / "bin"))
        return tmp_path

    return install


def test_several_starters_fetch_once_and_all_find_the_jars(machine):
    place = machine(mvn=FAKE_MAVEN)
    script = "from consent_stream.dev.jars import kafka_jars; print(kafka_jars())"
    starters = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    found = {each.communicate(timeout=30)[0].strip() for each in starters}
    assert found == {str(place / "cache" / "consent-stream" / f"kafka-{KAFKA_VERSION}-broker")}
    assert (place / "fetches").read_text() == "fetched\n"
    assert [each.name for each in kafka_jars().iterdir()] == ["kafka.jar"]


def test_a_failed_fetch_leaves_nothing_and_gives_mavens_reason(machine, monkeypatch):
    machine(mvn=FAKE_MAVEN)
    monkeypatch.setenv("MAVEN_FAILS", "1")
    with pytest.raises(DevError, match=r"Could not resolve kafka_2\.13"):
        kafka_jars()
    assert [each.suffix for each in cache_dir().iterdir()] == [".lock"]


def test_the_sets_are_kept_apart(machine):
    machine(mvn=FAKE_MAVEN)
    assert kafka_jars("broker") != kafka_jars("tools")


def test_jars_that_are_there_need_no_maven(machine):
    machine(mvn=FAKE_MAVEN)
    kafka_jars()
    machine(path="", mvn="#!/bin/false").joinpath("bin", "mvn").unlink()
    assert kafka_jars().is_dir()


def test_without_maven_it_says_what_to_install_and_what_needs_neither(machine):
    machine(path="")
    with pytest.raises(ToolMissing, match=r"JDK 17\+ and Maven.*no mvn.*consent-stream dev broker"):
        kafka_jars()


def test_without_java_it_says_so(machine):
    machine(path="")
    with pytest.raises(ToolMissing, match="there is no java"):
        java()


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.2"])
def test_an_old_java_is_refused_by_its_version(machine, version):
    machine(java=f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    with pytest.raises(ToolMissing, match=r"JDK 17\+, and java here is"):
        java()


@pytest.mark.parametrize("version", ["17.0.15", "21", "25-ea"])
def test_a_recent_java_is_taken(machine, version):
    place = machine(java=f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    assert java() == str(place / "bin" / "java")
