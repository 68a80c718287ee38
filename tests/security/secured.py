"""A Kafka as a company would run it: SCRAM over TLS, ACLs on, nothing allowed that was not granted.

Its plaintext listener is for the test itself, which is a super user there. Beside the good TLS listener there are two
that nobody should speak to: one whose certificate has expired, one whose certificate is of another host.
"""

from __future__ import annotations

import os
import selectors
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from consent_stream.acls import AclAdmin
from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports
from consent_stream.settings import Settings
from consent_stream.wire.acls import ROLES, rules

LISTENERS = ("GOOD", "EXPIRED", "STRANGER")
STRANGERS = (*ROLES, "nobody")  # the users; one a role, and one without any
SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


def password(user: str) -> str:
    """What must never be seen in anything that a process writes."""
    return f"hush-{user}-7f3a91"


class Secured:
    """bootstrap: the plaintext listener of the test. ports: the TLS listeners, by name. folder: certificates, files."""

    def __init__(self, bootstrap: str, ports: Mapping[str, int], folder: Path) -> None:
        self.bootstrap, self.ports, self.folder = bootstrap, dict(ports), folder

    def link(self, user: str, listener: str = "GOOD", **over: object) -> dict[str, object]:
        """Settings of a user, as keywords."""
        return {
            "bootstrap": f"127.0.0.1:{self.ports[listener]}",
            "security_protocol": "SASL_SSL",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_username": user,
            "sasl_password_file": self.password_file(user),
            "ssl_ca": self.folder / f"{listener}.crt",
            **over,
        }

    def settings(self, user: str, **over: object) -> Settings:
        return Settings(**self.link(user, **over))  # type: ignore[arg-type]

    def environment(self, user: str, **over: object) -> dict[str, str]:
        """The same as variables."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("CONSENT_")}
        return kept | {f"CONSENT_{name.upper()}": str(value) for name, value in self.link(user, **over).items()}

    def password_file(self, user: str) -> Path:
        path = self.folder / f"{user}.password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(password(user) + "\n")
        return path

    def grant(self, prefix: str) -> None:
        """Each role's ACLs to the user of its name, by the test's own right."""
        settings = Settings(bootstrap=self.bootstrap)
        for role in ROLES:
            AclAdmin(settings, f"User:{role}").allow(rules(role, prefix))


@contextmanager
def secured(folder: Path) -> Iterator[Secured]:
    """One, running."""
    ports = dict(zip(LISTENERS, free_ports(len(LISTENERS)), strict=True))
    names = {"GOOD": "IP:127.0.0.1,DNS:localhost", "EXPIRED": "IP:127.0.0.1", "STRANGER": "DNS:kafka.example.com"}
    for name, alternative in names.items():
        _certificate(folder, name, alternative, expired=name == "EXPIRED")
    own = ",".join(f"{name}://127.0.0.1:{port}" for name, port in ports.items())
    properties = {
        "listeners": f"PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},{own}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},{own}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,"
        + ",".join(f"{name}:SASL_SSL" for name in ports),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
    }
    for name in ports:
        at = f"listener.name.{name.lower()}."
        properties |= {
            f"{at}sasl.enabled.mechanisms": "SCRAM-SHA-512",
            f"{at}scram-sha-512.sasl.jaas.config": SCRAM,
            f"{at}ssl.keystore.type": "PEM",
            f"{at}ssl.keystore.location": str(folder / f"{name}.pem"),
        }
    users = {user: password(user) for user in STRANGERS}
    with LocalKafka(properties=properties, users=users, heap="384m") as kafka:
        yield Secured(kafka.bootstrap, ports, folder)


def _certificate(folder: Path, name: str, alternative: str, *, expired: bool) -> None:
    """`NAME.crt`, signed by itself, for clients to trust; `NAME.pem`, with its key, for the broker."""
    openssl = shutil.which("openssl")
    assert openssl, "certificates are made with openssl"
    key, certificate, request = (folder / f"{name}.{end}" for end in ("key", "crt", "csr"))
    new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"]
    (folder / "extensions").write_text(f"subjectAltName={alternative}\nbasicConstraints=critical,CA:TRUE\n")
    sign = ["x509", "-req", "-in", str(request), "-signkey", str(key), "-extfile", str(folder / "extensions")]
    for arguments in (
        [*new, "-keyout", str(key), "-out", str(request)],
        [*sign, "-out", str(certificate), "-days", "-1" if expired else "2"],
    ):
        subprocess.run([openssl, *arguments], check=True, capture_output=True)
    (folder / f"{name}.pem").write_text(key.read_text() + certificate.read_text())


def run(environment: Mapping[str, str], *arguments: str, given: bytes = b"", seconds: float = 60) -> Ran:
    """A command to its end."""
    command = [sys.executable, "-m", "consent_stream", *arguments]
    done = subprocess.run(
        command, input=given, capture_output=True, env=dict(environment), timeout=seconds, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


class Ran:
    """How a command ended. Everything that any of them wrote is kept, to be searched for secrets."""

    every: list[str] = []  # noqa: RUF012 - of all tests together, on purpose

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err
        Ran.every.append(out + err)

    def __repr__(self) -> str:
        return f"exit {self.code}\n{self.out[-1500:]}\n{self.err[-3000:]}"


@contextmanager
def counting(port: int) -> Iterator[Counting]:
    """A way to `port` that counts who comes along. Only the first connection of a client leads by it."""
    with Counting(port) as counter:
        yield counter


class Counting:
    """A TCP relay on loopback. count: connections so far."""

    def __init__(self, target: int) -> None:
        self._target, self.count, self._closing = target, 0, threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Counting:
        self._threads[0].start()
        return self

    def __exit__(self, *error: object) -> None:
        self._closing.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        self._listener.settimeout(0.1)
        while not self._closing.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.count += 1
            thread = threading.Thread(target=self._relay, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._target)) as broker:
            selector = selectors.DefaultSelector()
            selector.register(client, selectors.EVENT_READ, broker)
            selector.register(broker, selectors.EVENT_READ, client)
            with selector:
                while not self._closing.is_set():
                    for ready, _ in selector.select(0.1):
                        try:
                            piece = ready.fileobj.recv(65536)  # type: ignore[union-attr]
                            if not piece:
                                return
                            ready.data.sendall(piece)
                        except OSError:
                            return
