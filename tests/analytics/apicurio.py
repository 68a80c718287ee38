"""A real schema registry for the tests: Apicurio (its store in memory) from Maven Central; fetched once per user."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from consent_stream.dev.errors import DevError, ToolMissing
from consent_stream.dev.jars import cache_dir, java
from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import free_ports

VERSION = "2.5.11.Final"  # 3.x wants Java 21, and Kafka 17
CONFLUENT = "apis/ccompat/v7"  # where it speaks Confluent's API
READY_S = 120
READER = "2.6.13.Final"
_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>x</groupId><artifactId>x</artifactId><version>1</version><packaging>pom</packaging>
<dependencies><dependency><groupId>io.apicurio</groupId><artifactId>apicurio-registry-serdes-avro-serde</artifactId>
<version>{READER}</version></dependency></dependencies></project>"""


@contextmanager
def apicurio(folder: Path) -> Iterator[str]:
    """Its URL, as Confluent's clients want it, while the block runs. Errors: ToolMissing, DevError."""
    home, port = fetched(), free_ports(1)[0]
    command = [java(), "-Xmx384m", f"-Dquarkus.http.port={port}", "-Dquarkus.http.host=127.0.0.1", "-jar"]
    command.append(str(home / f"apicurio-registry-app-{VERSION}-runner.jar"))
    with (folder / "apicurio.log").open("wb") as log:
        server = subprocess.Popen(leashed(command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _await(f"http://127.0.0.1:{port}/health/ready", server, folder / "apicurio.log")
            yield f"http://127.0.0.1:{port}/{CONFLUENT}"
        finally:
            server.terminate()
            server.wait(30)


def fetched() -> Path:
    """Where the registry lies."""

    def fetch(scratch: Path) -> Path:
        artifact = f"-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
        _maven(scratch, "dependency:copy", artifact, f"-DoutputDirectory={scratch}")
        (archive,) = scratch.glob("*.tar.gz")
        with tarfile.open(archive) as packed:
            packed.extractall(scratch / "unpacked", filter="data")
        return scratch / "unpacked"

    return _cached(f"apicurio-{VERSION}", fetch)


def reader_jars() -> Path:
    """What Kafka's own console consumer reads the framing with."""

    def fetch(scratch: Path) -> Path:
        (scratch / "pom.xml").write_text(_POM)
        _maven(scratch, "dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={scratch}/jars")
        return scratch / "jars"

    return _cached(f"apicurio-reader-{READER}", fetch)


def _cached(name: str, fetch: Callable[[Path], Path]) -> Path:
    target = cache_dir() / name
    if not target.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            fetch(Path(scratch)).rename(target)
    return target


def _maven(scratch: Path, *arguments: str) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise ToolMissing("Apicurio is fetched with Maven, and there is no mvn")
    ran = subprocess.run(
        [maven, "-B", "-q", *arguments],
        cwd=scratch,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise DevError(f"Maven could not fetch Apicurio: {ran.stdout[-500:]}")


def _await(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_S
    while True:
        assert server.poll() is None, log.read_text()[-2000:]
        try:
            with urlopen(url, timeout=2) as answer:
                if answer.status == 200:
                    return
        except (URLError, OSError):
            assert time.monotonic() < deadline, f"Apicurio is not ready: {log.read_text()[-2000:]}"
        time.sleep(0.2)
