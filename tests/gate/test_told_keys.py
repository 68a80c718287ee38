"""A key file that is not the worker's finds nobody, whoever they are: that must not pass for "nobody said no"."""

import pytest

from consent_stream.gate.reading import Record
from consent_stream.wire.control import KEYS, encode_keys
from consent_stream.wire.keys import Keyring
from tests.gate.made import ANAS, RING, entry, grant
from tests.gate.mailer import Mailer


def told(mailer: Mailer, value: bytes | None) -> None:
    mailer.reading.take_control([Record(0, 9, KEYS, value)])


@pytest.fixture
def mailer():
    ready = Mailer().get_ready()
    ready.rows((ANAS, entry(grant())))
    return ready


def test_the_same_keys_answer(mailer):
    told(mailer, encode_keys(RING.fingerprints())[1])
    assert mailer.ask().allow


def test_another_key_of_the_same_id_denies_everything(mailer):
    told(mailer, encode_keys(Keyring({0: b"\1" * 32}).fingerprints())[1])
    for purpose in ("marketing", "transactional", "legal_required"):
        assert mailer.ask(purpose=purpose).reasons == ("unknown_tenant_key",)
    assert mailer.ask(contact="c-1").reasons == ("unknown_tenant_key",)


def test_a_key_that_the_worker_writes_with_and_we_lack_denies(mailer):
    told(mailer, encode_keys(RING.fingerprints() | {"1": "00" * 8})[1])
    assert mailer.ask().reasons == ("unknown_tenant_key",)


@pytest.mark.parametrize("value", [None, b"garbage", b'{"0": 1}'])
def test_what_cannot_be_read_denies(mailer, value):
    told(mailer, value)
    assert mailer.ask().reasons == ("unknown_tenant_key",)


def test_it_answers_again_when_the_right_worker_is_back(mailer):
    told(mailer, encode_keys(Keyring({0: b"\1" * 32}).fingerprints())[1])
    assert not mailer.ask().allow
    told(mailer, encode_keys(RING.fingerprints())[1])
    assert mailer.ask().allow


def test_a_fingerprint_tells_keys_apart_and_nothing_else():
    one, other = Keyring({0: b"\1" * 32}), Keyring({0: b"\2" * 32})
    assert one.fingerprints() != other.fingerprints()
    assert one.differing(other.fingerprints()) == ["0"]
    assert one.differing(one.fingerprints()) == []
    assert (b"\1" * 32).hex()[:16] not in one.fingerprints()["0"]
    assert Keyring(derived={("acme", 0): b"\1" * 32}).differing(other.fingerprints()) == []
