"""`consent-stream edge` as a process, and what a mail client or a person sends to it."""

from __future__ import annotations

import http.client
import queue
import signal
import subprocess
import sys
import threading
import time

from consent_stream.dev.leash import leashed
from consent_stream.edge.tokens import Link, Links
from tests.faults.deployment import KEYS, Deployment

SOON = 30.0  # seconds that nothing here should need
ANA = "ana@example.com"


class Answer:
    """Status, headers and body."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, dict(response.getheaders()), response.read()

    @property
    def text(self) -> str:
        return self.body.decode()


class EdgeProcess:
    """One edge of a deployment; `start` may be called again after its end, with the same data directory."""

    command = "edge"

    def __init__(self, deployment: Deployment, name: str = "edge", *arguments: str, **environment: str) -> None:
        self.deployment, self.name, self.arguments = deployment, name, arguments
        self.environment = {**deployment.environment(f"data-{name}"), **environment}
        self.process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self, *more: str) -> EdgeProcess:
        """Until it says `ready`."""
        arguments = [*self.arguments, *more, "--port", str(self.port)]
        command = leashed([sys.executable, "-m", "consent_stream", self.command, *arguments])
        err = (self.deployment.folder / f"{self.name}.err").open("ab")
        with err:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=err, text=True, env=self.environment, stdin=subprocess.DEVNULL
            )
        self._lines: queue.Queue[str | None] = queue.Queue()  # of this life: the last one's end may be read only now
        threading.Thread(target=self._read, args=[self.process, self._lines], daemon=True).start()
        word, _, place = self.line().partition(" ")
        assert word == "serving"
        self.port = int(place.rpartition(":")[2])
        assert self.line() == "ready"
        return self

    def _read(self, process: subprocess.Popen[str], lines: queue.Queue[str | None]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.put(line.strip())
        lines.put(None)

    def line(self) -> str:
        """The next line of stdout."""
        found = self._lines.get(timeout=SOON)
        assert found is not None, f"it ended: {self.log[-3000:]}"
        return found

    @property
    def log(self) -> str:
        return (self.deployment.folder / f"{self.name}.err").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.request(method, path, body, headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def figure(self, name: str) -> float:
        """One of /metrics, by its name and labels as they stand there."""
        for line in self.ask("GET", "/metrics").text.splitlines():
            if line.startswith(name + " "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def signal(self, which: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(which)

    def wait(self) -> int:
        assert self.process is not None
        return self.process.wait(SOON)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def close(self) -> None:
        if self.process is not None:
            if self.process.poll() is None:
                self.kill()
            if self.process.stdout is not None:
                self.process.stdout.close()


def link(
    email: str = ANA,
    *,
    tenant: str = "acme",
    program: str = "news",
    message_id: str = "m-1@mail.example.com",
    issued: int | None = None,
) -> Link:
    """A link as a mailer makes it for a message."""
    key = KEYS.subject(tenant, "email", email)
    at = int(time.time()) if issued is None else issued
    return Link(tenant, "email", (key,), program, message_id, at)


def token(email: str = ANA, **more: object) -> str:
    """Its token."""
    return Links(KEYS).mint(link(email, **more))  # type: ignore[arg-type]
