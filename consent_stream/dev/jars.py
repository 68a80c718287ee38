"""The jars of a real Kafka: from Maven Central, fetched once per user, shared by every starter on the machine."""

import fcntl
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Literal

from consent_stream.dev.errors import DevError, ToolMissing

KAFKA_VERSION = "4.3.1"  # pom.xml fetches the same; a test compares them
JAVA_AT_LEAST = 17  # what Kafka 4 brokers need (KIP-1013)
ADVICE = "install them (Debian: openjdk-17-jdk-headless maven), or use `consent-stream dev broker`, which needs neither"

JarSet = Literal["broker", "tools"]


def kafka_jars(jar_set: JarSet = "broker", say: Callable[[str], None] = lambda line: None) -> Path:
    """The directory that holds the jars; fetched with Maven when this user has none yet.

    `broker` is Kafka and its logging (about 50 MB); `tools` adds Kafka Streams and Kafka's command line classes.
    Safe for several processes at once: one fetches, the others wait, and a directory that is there is complete.

    Errors: ToolMissing without Maven, DevError when Maven fails.
    """
    home = cache_dir()
    target = home / f"kafka-{KAFKA_VERSION}-{jar_set}"
    if target.is_dir():
        return target
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home / f"{target.name}.lock"):
        if not target.is_dir():  # another process may have fetched while this one waited
            say(f"fetching Kafka {KAFKA_VERSION} from Maven Central (once) …")
            _fetch(jar_set, target)
    return target


def java() -> str:
    """The `java` to run: JAVA_HOME's, else the one on the path.

    Errors: ToolMissing when there is none, or an older one than Kafka needs.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else None
    found = found or shutil.which("java")
    if found is None:
        raise ToolMissing(f"a real Kafka needs JDK {JAVA_AT_LEAST}+ and Maven, and there is no java: {ADVICE}")
    version = _java_version(found)
    if version < JAVA_AT_LEAST:
        raise ToolMissing(f"a real Kafka needs JDK {JAVA_AT_LEAST}+, and java here is {version}: {ADVICE}")
    return found


def cache_dir() -> Path:
    """Where fetched jars stay: `consent-stream` in the user's cache directory (XDG base directory specification)."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "consent-stream"


def _java_version(program: str) -> int:
    # `openjdk version "17.0.15" …`; before Java 9 it read "1.8.0_…", which gives 1 and is too old all the same.
    told = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    found = re.search(r'version "(\d+)', told.stderr + told.stdout)
    return int(found.group(1)) if found else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released by the kernel also when the holder is killed
        yield


def _fetch(jar_set: JarSet, target: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolMissing(f"a real Kafka needs JDK {JAVA_AT_LEAST}+ and Maven, and there is no mvn: {ADVICE}")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as scratch:
        jars = Path(scratch, "jars")
        with as_file(files("consent_stream.dev") / "pom.xml") as pom:
            # Maven builds beside the pom: give it a copy, the package directory may be read-only.
            shutil.copy(pom, Path(scratch, "pom.xml"))
        command = [maven, "-B", "-q", "dependency:copy-dependencies", "-DincludeScope=runtime"]
        command += [f"-DoutputDirectory={jars}"]
        if jar_set == "tools":
            command.append("-Ptools")
        ran = subprocess.run(
            command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
        if ran.returncode != 0:
            raise DevError(f"Maven could not fetch Kafka {KAFKA_VERSION}: {_first_error(ran.stdout)}")
        jars.rename(target)


def _first_error(output: str) -> str:
    lines = [line for line in output.splitlines() if "[ERROR]" in line] or output.splitlines() or ["no output"]
    return lines[0].replace("[ERROR]", "").strip()
