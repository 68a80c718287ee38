"""A real Kafka on loopback, for tests, benchmarks and `consent-stream dev kafka`."""

import base64
import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Self

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from consent_stream.dev.errors import DevError
from consent_stream.dev.jars import JarSet, java, kafka_jars
from consent_stream.dev.leash import leashed
from consent_stream.dev.ports import LOOPBACK, accepts, free_ports, is_taken

START_SECONDS = 60.0  # 2.5 s on a quiet 2-core machine; tests start it beside other work
STOP_SECONDS = 20.0
PORT_TRIES = 3  # a free port can be taken between asking for it and Kafka's bind


class LocalKafka:
    """One Kafka node on 127.0.0.1: `start()`, `stop()`, `kill()`, or a `with` block.

    port: 0 asks for a free one. data: the directory to keep records in; None is a temporary one, removed at the end.
    heap: the JVM's limit. jar_set: see `kafka_jars`. properties: broker settings that override server.properties, with
    the same placeholders. users: name → password, for SCRAM-SHA-512 on a listener that `properties` add.
    The JVM dies with this process, however this process ends (`leash`).
    """

    def __init__(
        self,
        port: int = 0,
        data: Path | None = None,
        *,
        heap: str = "768m",
        properties: Mapping[str, str] | None = None,
        users: Mapping[str, str] | None = None,
        jar_set: JarSet = "broker",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.port = port
        self.data = data
        self._wanted_port = port
        self._heap = heap
        self._properties = dict(properties or {})
        self._users = dict(users or {})
        self._jar_set: JarSet = jar_set
        self._say = say
        self._scratch: Path | None = None
        self._controller_port = 0
        self._cluster_id = ""
        self._jvm: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """`127.0.0.1:PORT`, once started."""
        return f"{LOOPBACK}:{self.port}"

    def start(self) -> Self:
        """Start, or start again after `kill()` on the same port and data; returns when it answers metadata requests.

        Errors: ToolMissing without java (or without Maven the first time), DevError when the port is taken, or the
        broker ends or stays silent for a minute.
        """
        program, jars = java(), kafka_jars(self._jar_set, self._say)
        again = self._controller_port != 0
        tries = 1 if again else PORT_TRIES
        for left in reversed(range(tries)):
            if not again:
                self._choose_ports()
            try:
                self._launch(program, jars)
                return self
            except DevError:
                ended_by_itself = self.wait(timeout=0) is not None
                self._end(signal.SIGKILL)
                lost_a_port = ended_by_itself and (is_taken(self._controller_port) or is_taken(self.port))
                if not (left and lost_a_port):
                    self.stop()
                    raise
        raise AssertionError("unreachable: the last try returns or raises")

    def stop(self) -> None:
        """Stop, and remove temporary data. Kept data get a clean shutdown, so that the next start need not recover."""
        self._end(signal.SIGKILL if self.data is None else signal.SIGTERM)
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)  # best effort: the directory is below the temporary one
            self._scratch = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would; `start()` continues on the same port and data."""
        self._end(signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int | None:
        """The JVM's exit code, or None while it still runs after `timeout` seconds."""
        if self._jvm is None:
            return 0
        try:
            return self._jvm.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _choose_ports(self) -> None:
        if self._wanted_port and is_taken(self._wanted_port):
            raise DevError(f"port {self._wanted_port} on {LOOPBACK} is taken: choose another --port")
        self._controller_port, free = free_ports(2)
        self.port = self._wanted_port or free

    def _home(self) -> Path:
        if self.data is not None:
            self.data.mkdir(parents=True, exist_ok=True)
            return self.data.resolve()
        if self._scratch is None:
            self._scratch = Path(tempfile.mkdtemp(prefix="consent-stream-kafka-"))
        return self._scratch

    def _launch(self, program: str, jars: Path) -> None:
        home = self._home()
        settings = self._write_settings(home)
        classpath, log = f"{jars}/*", home / "kafka.log"
        self._cluster_id = _cluster_id(home / "log") or self._format(program, classpath, settings, log)
        self._say(f"starting Kafka on {self.bootstrap} …")
        command = [program, "-Xms128m", f"-Xmx{self._heap}", "-XX:+UseG1GC"]
        command += [f"-Dlog4j2.configurationFile={home}/log4j2.properties", f"-Dkafka.logs.dir={home}"]
        command += ["-cp", classpath, "kafka.Kafka", str(settings)]
        with log.open("ab") as output:
            # A session of its own: Ctrl-C in a terminal reaches us alone, and we stop the broker in order.
            self._jvm = subprocess.Popen(
                leashed(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        self._await_answer(log)

    def _write_settings(self, home: Path) -> Path:
        template = (files("consent_stream.dev") / "server.properties").read_text()
        # A later line wins in a Java properties file.
        template += "".join(f"{name}={wanted}\n" for name, wanted in self._properties.items())
        values = {"port": self.port, "controller_port": self._controller_port, "log_dir": home / "log"}
        for name, value in values.items():
            template = template.replace("{" + name + "}", str(value))
        settings = home / "server.properties"
        settings.write_text(template)
        (home / "log4j2.properties").write_text((files("consent_stream.dev") / "log4j2.properties").read_text())
        return settings

    def _format(self, program: str, classpath: str, settings: Path, log: Path) -> str:
        # Kafka's own form of a cluster id: 16 bytes in URL-safe base64, unpadded. A leading '-' would read as a flag.
        identity = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        command = [program, "-Xmx128m", "-cp", classpath, "kafka.tools.StorageTool"]
        command += ["format", "-t", identity, "-c", str(settings)]
        for name, password in self._users.items():
            command += ["--add-scram", f"SCRAM-SHA-512=[name={name},password={password}]"]
        with log.open("wb") as output:
            ran = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False)
        if ran.returncode != 0:
            raise DevError(f"Kafka could not format its data directory: {_last_line(log)}")
        return identity

    def _await_answer(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (code := self.wait(timeout=0)) is not None:
                raise DevError(f"Kafka ended with code {code} while starting: {_last_line(log)}")
            if accepts(self.port) and self._answers():
                return
        raise DevError(f"Kafka did not answer within {START_SECONDS:.0f} s: {_last_line(log)}")

    def _answers(self) -> bool:
        """Whether metadata come back, and from this cluster: a stranger may hold the port."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        with contextlib.suppress(KafkaException):  # not up yet: the caller asks again until its deadline
            return bool(admin.list_topics(timeout=2).cluster_id == self._cluster_id)
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._jvm is None:
            return
        self._jvm.send_signal(how)
        if self.wait(STOP_SECONDS) is None:
            self._jvm.kill()
            self._jvm.wait()
        self._jvm = None


def _cluster_id(log_dir: Path) -> str | None:
    """The id in a data directory that was formatted before (meta.properties)."""
    meta = log_dir / "meta.properties"
    if not meta.exists():
        return None
    pairs = (line.partition("=") for line in meta.read_text().splitlines())
    # java.util.Properties escapes '=' and ':' in values; a cluster id has neither.
    return next((value.strip() for name, _, value in pairs if name.strip() == "cluster.id"), None)


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()] if log.exists() else []
    wanted = [line for line in lines if "ERROR" in line or "Exception" in line] or lines or ["it wrote nothing"]
    return wanted[-1].strip()
