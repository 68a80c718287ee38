"""Subject keys are HMAC-SHA-256 as the standard library makes it, whatever is remembered between two of them."""

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.wire.keys import Keyring, UnknownTenantKey

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ROOTS = st.dictionaries(st.integers(0, 255), st.binary(min_size=32, max_size=32), min_size=1, max_size=3)


@given(ROOTS, st.lists(st.tuples(NAMES, st.sampled_from(["email", "sms", "contact"]), NAMES), max_size=5))
def test_a_key_is_the_hmac_of_its_message(roots, asked):
    ring = Keyring(roots)
    for tenant, channel, canonical in asked * 2:
        message = f"1\0{tenant}\0{channel}\0{canonical}".encode()
        kind = b"c" if channel == "contact" else b"a"
        wanted = [
            b"\x01" + kind + bytes([kid]) + hmac.digest(ring.tenant_key(tenant, kid), message, "sha256")[:16]
            for kid in ring.kids
        ]
        assert [ring.under(kid, tenant, channel, canonical) for kid in ring.kids] == wanted
        assert ring.all(tenant, channel, canonical) == wanted


@pytest.mark.parametrize("derived", [{("acme", 0): bytes(32)}, {("acme", 0): bytes(32), ("acme", 1): bytes(32)}])
def test_a_tenant_without_key_material_is_named(derived):
    ring = Keyring(derived=derived)
    assert len(ring.all("acme", "email", "ana@example.com")) == len(derived)
    with pytest.raises(UnknownTenantKey, match="bravo"):
        ring.all("bravo", "email", "ana@example.com")


@pytest.mark.parametrize(("tenant", "canonical"), [("\ud800", "ana@example.com"), ("acme", "\ud800@example.com")])
def test_what_has_no_bytes_has_no_key(tenant, canonical):
    with pytest.raises(UnicodeEncodeError):
        Keyring({0: bytes(32)}).all(tenant, "email", canonical)
