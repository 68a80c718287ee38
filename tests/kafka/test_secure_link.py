"""TLS and SASL against a real Kafka, for both client libraries: what Settings say is what happens on the wire."""

import asyncio
import shutil
import subprocess

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from consent_stream.dev.kafka import LocalKafka
from consent_stream.dev.ports import free_ports
from consent_stream.settings import Settings

pytestmark = pytest.mark.kafka
STORE = "not-a-secret"  # guards a key that lives as long as this test


@pytest.fixture(scope="module")
def secure(kafka, tmp_path_factory):
    """(bootstrap, CA file) of a Kafka with a SASL_SSL listener for the user `mailer`, password `right`."""
    place = tmp_path_factory.mktemp("secure")
    store, certificate = _self_signed(place)
    (port,) = free_ports(1)
    properties = {
        "listeners": f"PLAINTEXT://127.0.0.1:{{port}},CONTROLLER://127.0.0.1:{{controller_port}},SECURE://127.0.0.1:{port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{{port}},SECURE://127.0.0.1:{port}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL",
        "listener.name.secure.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.secure.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "ssl.keystore.location": str(store),
        "ssl.keystore.type": "PKCS12",
        "ssl.keystore.password": STORE,
    }
    with LocalKafka(properties=properties, users={"mailer": "right"}, heap="384m"):
        yield f"127.0.0.1:{port}", certificate


def link(secure, **over) -> Settings:
    bootstrap, certificate = secure
    given = {
        "bootstrap": bootstrap,
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_username": "mailer",
        "sasl_password": "right",
        "ssl_ca": certificate,
    }
    return Settings(**{**given, **over})


def test_librdkafka_gets_through(secure):
    assert _by_librdkafka(link(secure))


def test_faust_and_its_driver_get_through(secure):
    assert _by_aiokafka(link(secure))


@pytest.mark.parametrize("ask", ["_by_librdkafka", "_by_aiokafka"])
@pytest.mark.parametrize(
    "over", [{"sasl_password": "wrong"}, {"ssl_ca": None}], ids=["password", "unknown certificate"]
)
def test_a_wrong_password_and_an_unknown_certificate_are_refused_also_with_insecure(secure, ask, over):
    assert not globals()[ask](link(secure, insecure=True, **over))


def _by_librdkafka(settings: Settings) -> bool:
    admin = AdminClient({**settings.librdkafka(), "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def _by_aiokafka(settings: Settings) -> bool:
    async def ask() -> bool:
        security = credentials_to_aiokafka_auth(settings.aiokafka()["broker_credentials"])
        client = AIOKafkaClient(bootstrap_servers=settings.bootstrap, **security)
        try:
            await client.bootstrap()
            return True
        except KafkaError:
            return False
        finally:
            await client.close()

    return asyncio.run(ask())


def _self_signed(place):
    """A key store for the broker, and its certificate in PEM for the clients."""
    keytool = shutil.which("keytool")
    assert keytool, "a JDK has keytool"
    store, certificate = place / "broker.p12", place / "ca.pem"
    use = [keytool, "-keystore", str(store), "-storetype", "PKCS12", "-storepass", STORE, "-alias", "broker"]
    for arguments in (
        ["-genkeypair", "-keyalg", "EC", "-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1", "-validity", "2"],
        ["-exportcert", "-rfc", "-file", str(certificate)],
    ):
        subprocess.run([use[0], arguments[0], *use[1:], *arguments[1:]], check=True, capture_output=True)
    return store, certificate
