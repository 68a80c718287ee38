"""What a mailer types: the import, the arguments, and what is refused at once."""

import subprocess
import sys

import pytest

import consent_stream
from consent_stream import Gate
from consent_stream.keyfile import KeyFileError
from consent_stream.settings import Settings, SettingsError

NOBODY = "127.0.0.1:1"


def loaded_by(line: str) -> set[str]:
    script = f"{line}\nimport sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    )


def test_the_package_is_cheap_and_the_gate_needs_no_faust():
    assert not loaded_by("import consent_stream") & {"confluent_kafka", "lmdb", "orjson"}
    gate = loaded_by("from consent_stream import Gate")
    assert "confluent_kafka" in gate
    assert not gate & {"faust", "aiokafka", "rocksdict", "rich", "click"}


def test_there_is_nothing_else_to_be_had_from_the_package():
    with pytest.raises(AttributeError, match="Gates"):
        _ = consent_stream.Gates


@pytest.mark.parametrize(
    ("arguments", "error", "named"),
    [
        ({"channel": "fax"}, ValueError, "fax"),
        ({"staleness_limit": 0}, ValueError, "staleness_limit"),
        ({"bootstrap": "kafka.example.com:9092"}, SettingsError, "--insecure"),
        ({"bootstrap": "nowhere"}, SettingsError, "bootstrap"),
        ({"bootstarp": NOBODY}, TypeError, "bootstarp"),
        ({"keys": "/no/such/file"}, KeyFileError, "/no/such/file"),
        ({"security_protocol": "SSL", "ssl_ca": "/no/such/file"}, SettingsError, "/no/such/file"),
        ({"settings": Settings()}, ValueError, "not both"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(arguments, error, named):
    with pytest.raises(error, match=named):
        Gate(**{"bootstrap": NOBODY, **arguments})


def test_what_a_gate_shows_of_itself_holds_no_secret():
    with Gate(bootstrap=NOBODY, topic_prefix="t-") as gate:
        assert repr(gate) == "<Gate on t-suppression.email: connecting>"
        assert not gate.status().ready


@pytest.mark.parametrize("receipt", ["", "1", "a:b", (1,), (1, 2, 3), None])
def test_a_receipt_that_is_none_is_a_mistake_of_the_caller(receipt):
    with Gate(bootstrap=NOBODY) as gate, pytest.raises(ValueError, match="receipt"):
        gate.wait_for(receipt, 0)
