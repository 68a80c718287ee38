"""What an operator can set: flags, else the environment, else defaults; and what Kafka clients are built from.

Every setting has one field here, one flag (`--topic-prefix`) and one variable (`CONSENT_TOPIC_PREFIX`). The SASL
password has no flag: command lines are readable by everyone on the machine. It may stand in a file instead.
"""

import os
import re
import ssl
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

LOG_FORMATS = ("text", "json")
SECURITY_PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
YES, NO = ("1", "true", "yes", "on"), ("0", "false", "no", "off", "")
# What a stage writes is bounded by rules and kept by topics (wire/topics.py, LARGEST_KEPT), and the same bytes with
# error headers must fit into quarantine; librdkafka by itself stops at 1,000,000 bytes.
LARGEST_RECORD = 32 * 1024 * 1024 + 128 * 1024
# While a question waits, librdkafka knocks again after its first pause each time, whatever the pauses have grown to: 20
# times a second with its own 100 ms (measured with an expired certificate), each a TLS handshake for the broker.
RECONNECT_MS = 500
LEGAL_NAME = re.compile(r"[A-Za-z0-9._-]*")  # what Kafka accepts in topic names and member ids
LONGEST_PREFIX = 200  # a topic name has at most 249 characters, and ours take some


class SettingsError(ValueError):
    """A setting is wrong. The text is one line that names it by flag and variable."""

    def __init__(self, setting: str, trouble: str) -> None:
        self.setting = setting
        super().__init__(f"{flag(setting)} ({variable(setting)}): {trouble}")


def flag(setting: str) -> str:
    """The command line's name of a setting: `topic_prefix` → `--topic-prefix`."""
    return "--" + setting.replace("_", "-")


def variable(setting: str) -> str:
    """The environment's name of a setting: `topic_prefix` → `CONSENT_TOPIC_PREFIX`."""
    return "CONSENT_" + setting.upper()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where Kafka is, how to speak to it, and where our own files are. Checked when made.

    bootstrap: `HOST:PORT[,HOST:PORT…]`. policy, keys: TOML files. data_dir: state of a worker, replica of a gate.
    registry_url: of a schema registry, in whose framing a worker writes `consent.changes`.
    sender: what a mailer is called in `consent.sends`; its host by default. log_format: one of LOG_FORMATS.
    sasl_password_file: its first line is the password, as secrets are mounted into containers; not readable by others.
    insecure: permits plaintext off loopback; it never turns certificate checks off.

    Errors: SettingsError, naming the first setting that is wrong.
    """

    bootstrap: str = "127.0.0.1:9092"
    policy: Path | None = None
    keys: Path | None = None
    data_dir: Path = Path("data")
    topic_prefix: str = ""
    worker_id: str | None = None
    registry_url: str | None = None
    sender: str | None = None
    log_format: str = "text"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_password_file: Path | None = None
    ssl_ca: Path | None = None
    ssl_certificate: Path | None = None
    ssl_key: Path | None = None
    insecure: bool = False

    @classmethod
    def read(cls, flags: Mapping[str, Any], environ: Mapping[str, str]) -> Self:
        """Settings from flags (field name → value, None where not given), else `environ`, else defaults.

        An empty variable counts as not set, as in most shells' idiom for switching one off.
        """
        chosen: dict[str, Any] = {}
        for each in fields(cls):
            value = flags.get(each.name)
            if value is None:
                value = environ.get(variable(each.name)) or None
            if value is not None:
                chosen[each.name] = _typed(each.name, value)
        return cls(**chosen)

    def __post_init__(self) -> None:
        hosts = _hosts(self.bootstrap)
        for name in ("topic_prefix", "worker_id", "sender"):
            value = getattr(self, name) or ""
            if not LEGAL_NAME.fullmatch(value) or len(value) > LONGEST_PREFIX:
                raise SettingsError(
                    name, f"{value!r}: letters, digits and . _ - only, at most {LONGEST_PREFIX} of them"
                )
        if self.log_format not in LOG_FORMATS:
            raise SettingsError("log_format", f"{self.log_format!r} is none of {', '.join(LOG_FORMATS)}")
        if self.sasl_password_file is not None:
            self._read_password(self.sasl_password_file)
        self._check_security()
        self._check_registry()
        if not self.encrypted and not self.insecure and not all(map(_is_loopback, hosts)):
            raise SettingsError(
                "security_protocol",
                f"{self.security_protocol} to {self.bootstrap} would send people's addresses in the clear; "
                "choose SSL or SASL_SSL, or say --insecure (CONSENT_INSECURE=1) if the network is closed",
            )

    @property
    def encrypted(self) -> bool:
        """Whether the link to Kafka is TLS."""
        return self.security_protocol in ("SSL", "SASL_SSL")

    @property
    def authenticated(self) -> bool:
        """Whether SASL names us to Kafka."""
        return self.security_protocol.startswith("SASL_")

    def librdkafka(self) -> dict[str, Any]:
        """What every confluent-kafka client of ours starts from: the brokers and the security of the link."""
        conf = {
            "bootstrap.servers": self.bootstrap,
            "security.protocol": self.security_protocol,
            "sasl.mechanism": self.sasl_mechanism,
            "sasl.username": self.sasl_username,
            "sasl.password": self.sasl_password,
            "ssl.ca.location": self.ssl_ca and str(self.ssl_ca),
            "ssl.certificate.location": self.ssl_certificate and str(self.ssl_certificate),
            "ssl.key.location": self.ssl_key and str(self.ssl_key),
            "reconnect.backoff.ms": RECONNECT_MS,
        }
        return {name: value for name, value in conf.items() if value is not None}

    def producer(self, **over: Any) -> dict[str, Any]:
        """Configuration of a confluent-kafka Producer: idempotent, acks from all replicas, Java's partitioner.

        `over` replaces or adds librdkafka's own names: `settings.producer(**{"linger.ms": 0})`.
        """
        return {
            **self.librdkafka(),
            "enable.idempotence": True,
            "acks": "all",
            # librdkafka's default is CRC32, which would split a key's state between two owners.
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "message.max.bytes": LARGEST_RECORD,
            **over,
        }

    def consumer(self, **over: Any) -> dict[str, Any]:
        """Configuration of a confluent-kafka Consumer: nothing committed by itself, only committed transactions read.

        A missing offset is an error and never a silent jump to either end. `over` as in `producer`; librdkafka demands
        a `group.id`, also from a reader that only assigns.
        """
        return {
            **self.librdkafka(),
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            **over,
        }

    def aiokafka(self) -> dict[str, Any]:
        """The security of the link as Faust settings, for its driver aiokafka; empty on an open plaintext link.

        aiokafka silently speaks plaintext when SASL is set and no `ssl_context` is given, so TLS always brings one.
        """
        if not (self.encrypted or self.authenticated):
            return {}
        from faust.auth import SASLCredentials, SSLCredentials  # the worker extra; a gate has no Faust

        context = self._ssl_context() if self.encrypted else None
        if not self.authenticated:
            return {"broker_credentials": SSLCredentials(context)}
        credentials = SASLCredentials(
            username=self.sasl_username,
            password=self.sasl_password,
            mechanism=self.sasl_mechanism,
            ssl_context=context,
        )
        return {"broker_credentials": credentials}

    def _check_registry(self) -> None:
        if self.registry_url is None:
            return
        url = urlsplit(self.registry_url)
        if url.scheme not in ("http", "https") or not url.hostname:
            raise SettingsError("registry_url", "http://HOST:PORT or https://HOST is expected, perhaps with a path")
        if "@" in url.netloc:  # it would stand in logs and process lists
            raise SettingsError("registry_url", "no user or password may stand in it")
        if url.scheme == "http" and not self.insecure and not _is_loopback(url.hostname):
            raise SettingsError("registry_url", "https off this machine, or --insecure if the network is closed")

    def _read_password(self, path: Path) -> None:
        try:
            with path.open() as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
                password = file.readline().rstrip("\r\n")
        except OSError as error:
            raise SettingsError("sasl_password_file", f"{path}: {error.strerror}") from error
        except UnicodeDecodeError:  # not chained: its text quotes what it could not read
            raise SettingsError("sasl_password_file", f"{path}: not UTF-8") from None
        if mode & (stat.S_IWGRP | stat.S_IRWXO):
            raise SettingsError("sasl_password_file", f"{path}: others may use it (mode {mode:04o}): chmod 600 {path}")
        if not password:
            raise SettingsError("sasl_password_file", f"{path}: its first line is empty")
        if self.sasl_password not in (None, password):
            raise SettingsError("sasl_password_file", f"{variable('sasl_password')} is set too, and differs: give one")
        object.__setattr__(self, "sasl_password", password)  # frozen, and this is still its making

    def _ssl_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ssl_ca)
        if self.ssl_certificate is not None:
            context.load_cert_chain(self.ssl_certificate, self.ssl_key)
        return context

    def _check_security(self) -> None:
        if self.security_protocol not in SECURITY_PROTOCOLS:
            known = ", ".join(SECURITY_PROTOCOLS)
            raise SettingsError("security_protocol", f"{self.security_protocol!r} is none of {known}")
        sasl = ("sasl_mechanism", "sasl_username", "sasl_password")
        for name in sasl:
            given = getattr(self, name) is not None
            if given != self.authenticated:
                wants = "is needed with" if self.authenticated else "has no effect with"
                raise SettingsError(name, f"{wants} the security protocol {self.security_protocol}")
        if self.sasl_mechanism is not None and self.sasl_mechanism not in SASL_MECHANISMS:
            raise SettingsError("sasl_mechanism", f"{self.sasl_mechanism!r} is none of {', '.join(SASL_MECHANISMS)}")
        for name in ("ssl_ca", "ssl_certificate", "ssl_key"):
            path = getattr(self, name)
            if path is not None and not self.encrypted:
                raise SettingsError(name, f"has no effect with the security protocol {self.security_protocol}")
            if path is not None and not path.is_file():
                raise SettingsError(name, f"no such file: {path}")
        if self.ssl_key is not None and self.ssl_certificate is None:
            raise SettingsError("ssl_certificate", "is needed with a key")


def _typed(name: str, value: Any) -> Any:
    if name in ("policy", "keys", "data_dir", "sasl_password_file", "ssl_ca", "ssl_certificate", "ssl_key"):
        return Path(value).expanduser()
    if name == "insecure" and isinstance(value, str):
        if value.lower() not in YES + NO:
            raise SettingsError(name, f"{value!r} is neither yes nor no")
        return value.lower() in YES
    if name in ("security_protocol", "sasl_mechanism"):
        return value.upper()
    if name == "log_format":
        return value.lower()
    return value


def _hosts(bootstrap: str) -> list[str]:
    hosts = []
    for server in bootstrap.split(","):
        host, colon, port = server.strip().rpartition(":")
        if not (host and colon and port.isascii() and port.isdigit() and 0 < int(port) < 65536) or "/" in host:
            raise SettingsError("bootstrap", f"{bootstrap!r} is not HOST:PORT[,HOST:PORT…]")
        hosts.append(host.removeprefix("[").removesuffix("]"))
    return hosts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:  # a name; only this one is sure to stay on the machine (RFC 6761 §6.3)
        return host.lower().rstrip(".") == "localhost"
