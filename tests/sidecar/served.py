"""A sidecar in a thread of the test, around gates of the test; and one as a process."""

import http.client
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

from consent_stream.dev.leash import leashed
from consent_stream.sidecar.access import Access
from consent_stream.sidecar.gates import Gates
from consent_stream.sidecar.limits import Limits
from consent_stream.sidecar.routes import Sidecar
from tests.servers import on_a_thread
from tests.sidecar import documented

JSON = {"Content-Type": "application/json"}
SOON = 20.0  # seconds that nothing here should need


class Answer:
    """Status, headers, the raw body, and what it says."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, dict(response.getheaders()), response.read()
        self.type = response.headers.get_content_type()

    @property
    def said(self):
        return json.loads(self.body)


class Client:
    """Python's own HTTP client, which shares nothing with aiohttp. One connection, kept alive."""

    def __init__(self, port, host="127.0.0.1"):
        self.port = port
        self.connection = http.client.HTTPConnection(host, port, timeout=SOON)

    def ask(self, method, path, body=None, headers=None):
        """The answer, of which the OpenAPI document must know."""
        self.connection.request(method, path, body, headers or {})
        return self.answer(method, path)

    def answer(self, method, path):
        """The answer to what was just sent."""
        answer = Answer(self.connection.getresponse())
        documented.check(method, path, answer)
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, headers=headers)

    def check(self, question, **headers):
        body = question if isinstance(question, bytes) else json.dumps(question).encode()
        return self.ask("POST", "/v1/check", body, {**JSON, **headers})

    def close(self):
        self.connection.close()


@contextmanager
def serving(gates, limits=None, access=None, more=(), everywhere=None):
    """A client of a sidecar around `gates` (by channel), and the sidecar itself."""
    sidecar = Sidecar(Gates(gates), limits or Limits(), everywhere)
    with on_a_thread(sidecar, [*sidecar.routes(), *more], (access or Access()).check) as port:
        client = Client(port)
        try:
            yield client, sidecar
        finally:
            client.close()


class Process:
    """`consent-stream gate serve` as a process."""

    def __init__(self, *arguments, environment=None):
        command = leashed([sys.executable, "-m", "consent_stream", "gate", "serve", *map(str, arguments)])
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**kept, **(environment or {})}
        )
        self._lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def line(self):
        """The next line of stdout."""
        found = self._lines.get(timeout=SOON)
        assert found is not None, f"it ended: {self.process.stderr.read()}"
        return found

    def client(self):
        """Once it serves."""
        word, _, place = self.line().partition(" ")
        assert word == "serving"
        return Client(int(place.rpartition(":")[2]))

    def end(self, which=signal.SIGTERM):
        """Signal it; its exit code and what it logged."""
        self.process.send_signal(which)
        return self.wait()

    def wait(self):
        code = self.process.wait(SOON)
        return code, self.process.stderr.read()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def until(reached, seconds=SOON):
    """Wait for what another thread or process does; False when it does not."""
    deadline = time.monotonic() + seconds
    while not (found := reached()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return found
