"""Settings: flags before environment before defaults, one line that names what is wrong, no secret shown."""

import ssl

import pytest

from consent_stream.settings import Settings, SettingsError

SASL = {
    "bootstrap": "kafka.example.com:9094",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "sasl_username": "mailer",
    "sasl_password": "hunter2",
}


def test_a_flag_wins_over_the_environment_and_that_over_the_default():
    environ = {"CONSENT_BOOTSTRAP": "127.0.0.1:2", "CONSENT_TOPIC_PREFIX": "env-"}
    settings = Settings.read({"bootstrap": "127.0.0.1:1", "topic_prefix": None}, environ)
    assert settings.bootstrap == "127.0.0.1:1"
    assert settings.topic_prefix == "env-"
    assert settings.data_dir == Settings().data_dir


def test_an_empty_variable_is_not_set():
    assert Settings.read({}, {"CONSENT_BOOTSTRAP": "", "CONSENT_INSECURE": ""}) == Settings()


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"CONSENT_BOOTSTRAP": "kafka"}, "--bootstrap (CONSENT_BOOTSTRAP)"),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:0"}, "--bootstrap"),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:99999"}, "--bootstrap"),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:9092,"}, "--bootstrap"),
        ({"CONSENT_BOOTSTRAP": "http://localhost:9092"}, "--bootstrap"),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:٣"}, "--bootstrap"),
        ({"CONSENT_TOPIC_PREFIX": "a b"}, "--topic-prefix"),
        ({"CONSENT_TOPIC_PREFIX": "a" * 201}, "--topic-prefix"),
        ({"CONSENT_WORKER_ID": "one/two"}, "--worker-id"),
        ({"CONSENT_INSECURE": "perhaps"}, "--insecure"),
        ({"CONSENT_SECURITY_PROTOCOL": "TLS"}, "--security-protocol"),
        ({"CONSENT_SASL_USERNAME": "mailer"}, "--sasl-username"),
        ({"CONSENT_SECURITY_PROTOCOL": "SASL_SSL"}, "--sasl-mechanism"),
        ({"CONSENT_SSL_CA": "/nowhere/ca.pem"}, "--ssl-ca"),
        ({"CONSENT_SECURITY_PROTOCOL": "SSL", "CONSENT_SSL_CA": "/nowhere/ca.pem"}, "no such file"),
        ({"CONSENT_BOOTSTRAP": "kafka:9092"}, "--insecure"),
        ({"CONSENT_BOOTSTRAP": "127.0.0.1:9092,10.0.0.5:9092"}, "--insecure"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(environ, named):
    with pytest.raises(SettingsError) as caught:
        Settings.read({}, environ)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_sasl_mechanism_is_refused():
    with pytest.raises(SettingsError, match="--sasl-mechanism"):
        Settings(**{**SASL, "sasl_mechanism": "GSSAPI"})


def test_sasl_without_a_password_is_refused_and_names_the_variable():
    with pytest.raises(SettingsError, match="CONSENT_SASL_PASSWORD"):
        Settings(**{**SASL, "sasl_password": None})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.8.9.1", "[::1]"])
def test_plaintext_on_loopback_is_fine(host):
    assert not Settings(bootstrap=f"{host}:9092").encrypted


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SASL_PLAINTEXT"])
def test_plaintext_off_loopback_needs_a_word(protocol):
    given = {**SASL, "security_protocol": protocol}
    if protocol == "PLAINTEXT":
        given = {"bootstrap": SASL["bootstrap"]}
    with pytest.raises(SettingsError, match="in the clear"):
        Settings(**given)
    assert Settings(**given, insecure=True).insecure


def test_no_repr_shows_the_password():
    assert "hunter2" not in repr(Settings(**SASL))


def test_librdkafka_gets_the_security_of_the_link():
    conf = Settings(**SASL).librdkafka()
    assert conf == {
        "bootstrap.servers": "kafka.example.com:9094",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "mailer",
        "sasl.password": "hunter2",
        "reconnect.backoff.ms": 500,
    }


def test_every_producer_partitions_as_the_java_client_does():
    conf = Settings().producer(**{"linger.ms": 0})
    assert conf["partitioner"] == "murmur2_random"
    assert conf["enable.idempotence"] is True
    assert conf["linger.ms"] == 0


def test_consumers_never_jump_and_read_only_what_is_committed():
    conf = Settings().consumer()
    assert conf["auto.offset.reset"] == "error"
    assert conf["isolation.level"] == "read_committed"
    assert conf["enable.auto.commit"] is False


def test_faust_always_gets_a_tls_context_with_sasl_over_tls():
    credentials = Settings(**SASL).aiokafka()["broker_credentials"]
    assert credentials.protocol.value == "SASL_SSL"
    assert credentials.ssl_context.verify_mode == ssl.CERT_REQUIRED
    assert credentials.ssl_context.check_hostname


def test_faust_gets_a_checking_context_for_tls_alone_and_insecure_does_not_weaken_it():
    settings = Settings(bootstrap="kafka.example.com:9093", security_protocol="SSL", insecure=True)
    credentials = settings.aiokafka()["broker_credentials"]
    assert credentials.protocol.value == "SSL"
    assert credentials.context.verify_mode == ssl.CERT_REQUIRED


def test_faust_gets_nothing_on_an_open_loopback_link():
    assert Settings().aiokafka() == {}
