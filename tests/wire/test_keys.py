"""Subject keys: the published vectors, HKDF as the RFC has it, and that nothing of one tenant equals another's."""

import hashlib
import hmac
from itertools import product

import pytest

from consent_stream.domain.addresses import canonical_email, canonical_phone
from consent_stream.wire.keys import HEARTBEAT_KEY, SUBJECT_KEY_BYTES, Keyring, UnknownTenantKey

# With a tenant key of 32 zero bytes: first and last four bytes of the digest, as `openssl dgst -mac HMAC` has them.
VECTORS = [
    ("t1", "email", "user@example.com", "745a834a", "8585ca42"),
    ("t2", "email", "user@example.com", "e9a334a7", "f7b9f9ea"),
    ("t1", "email", "Strauß@Straße.DE", "1b516e41", "68f17e1a"),
    ("t1", "sms", "+12015550123", "03f7e3ce", "4e6c6250"),
]


def hkdf(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 as its text has it, with the hash function alone."""

    def mac(key: bytes, message: bytes) -> bytes:
        key = (hashlib.sha256(key).digest() if len(key) > 64 else key).ljust(64, b"\0")
        inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + message).digest()
        return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner).digest()

    extracted, block, out = mac(salt or bytes(32), secret), b"", b""
    for counter in range(1, 256):
        block = mac(extracted, block + info + bytes([counter]))
        out += block
        if len(out) >= length:
            return out[:length]
    raise AssertionError("longer than HKDF gives")


@pytest.mark.parametrize(
    ("secret", "salt", "info", "length", "wanted"),
    [
        ("0b" * 22, "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 42,
         "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        (bytes(range(0x50)).hex(), bytes(range(0x60, 0xB0)).hex(), bytes(range(0xB0, 0x100)).hex(), 82,
         "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
         "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"),
        ("0b" * 22, "", "", 42,
         "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
    ],
)  # fmt: skip
def test_the_hkdf_of_these_tests_is_that_of_rfc_5869(secret, salt, info, length, wanted):
    made = hkdf(bytes.fromhex(secret), bytes.fromhex(salt), bytes.fromhex(info), length)
    assert made.hex() == wanted


@pytest.mark.parametrize("tenant", ["acme", "Straße GmbH", "_platform", "x" * 300])
@pytest.mark.parametrize("root", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_tenant_keys_are_hkdf_of_the_root_key(tenant, root):
    info = b"consent-stream/tenant/" + tenant.encode()
    assert Keyring({7: root}).tenant_key(tenant, 7) == hkdf(root, b"", info, 32)


@pytest.mark.parametrize(("tenant", "channel", "text", "first", "last"), VECTORS)
def test_published_vectors(tenant, channel, text, first, last):
    text = (canonical_email(text) if channel == "email" else canonical_phone(text, None)) or ""
    digest = hmac.digest(bytes(32), f"1\0{tenant}\0{channel}\0{text}".encode(), "sha256")
    assert (digest.hex()[:8], digest.hex()[-8:]) == (first, last)
    ring = Keyring(derived={(tenant, 0): bytes(32)})
    assert ring.subject(tenant, channel, text) == b"\x01a\0" + digest[:16]
    assert ring.under(0, tenant, channel, text) == ring.subject(tenant, channel, text)


def test_a_contact_has_a_key_of_its_own_kind():
    key = Keyring({9: bytes(32)}).subject("acme", "contact", "c-42")
    assert key[:3] == b"\x01c\x09"
    assert len(key) == SUBJECT_KEY_BYTES == len(HEARTBEAT_KEY)
    assert HEARTBEAT_KEY[:2] == b"\x01H"


def test_no_two_subjects_share_a_key():
    ring = Keyring({0: bytes(32), 1: bytes(range(32))})
    tenants, channels, texts = ("t", "t1", "tenant"), ("email", "sms", "contact"), ("a", "ab", "1", "email", "")
    keys = [ring.under(kid, *who) for kid, *who in product((0, 1), tenants, channels, texts)]
    assert len(set(keys)) == len(keys)
    assert len({key[3:] for key in keys}) == len(keys), "not by the first three bytes alone"


def test_a_long_text_is_hashed_like_any_other_and_not_remembered():
    ring = Keyring({0: bytes(32)})
    for text in ("c" * 512, "c" * 513, "c" * 100_000):
        assert ring.subject("acme", "contact", text) == ring.under(0, "acme", "contact", text)
    assert ring._recent.cache_info().currsize == 1


def test_while_keys_rotate_all_live_keys_are_asked():
    ring = Keyring({1: bytes(32), 3: bytes(range(32))})
    assert ring.current == 3
    assert ring.all("acme", "email", "a@example.com") == [
        ring.under(1, "acme", "email", "a@example.com"),
        ring.subject("acme", "email", "a@example.com"),
    ]
    assert Keyring({1: bytes(32), 3: bytes(32)}, current=1).subject("acme", "email", "a")[2] == 1


def test_one_tenants_keys_open_no_other_tenant():
    whole = Keyring({0: bytes(32)})
    alone = Keyring(derived={("acme", 0): whole.tenant_key("acme", 0)})
    assert alone.subject("acme", "email", "a@example.com") == whole.subject("acme", "email", "a@example.com")
    for ask in (alone.subject, alone.all):
        with pytest.raises(UnknownTenantKey) as caught:
            ask("globex", "email", "a@example.com")
        assert "example.com" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "at least one"),
        ({"roots": {256: bytes(32)}}, "256"),
        ({"roots": {-1: bytes(32)}}, "-1"),
        ({"roots": {0: bytes(31)}}, "31 bytes"),
        ({"derived": {("acme", 0): b""}}, "0 bytes"),
        ({"roots": {0: bytes(32)}, "current": 1}, "current"),
    ],
)
def test_key_material_that_is_none_is_refused(given, told):
    with pytest.raises(ValueError, match=told):
        Keyring(**given)


def test_no_key_material_in_a_repr():
    secret = bytes(range(32))
    shown = repr(Keyring({5: secret}, derived={("acme", 5): secret}))
    assert shown == "Keyring(kids=(5,), current=5)"
