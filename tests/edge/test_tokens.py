"""Signed links: what was made is read; whatever else is refused, all of it alike."""

import base64
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.edge.tokens import LONGEST, Link, Links, UnknownLink
from consent_stream.wire.keys import Keyring, UnknownTenantKey

ROOTS = {0: bytes(32), 7: bytes(range(32))}
LINKS = Links(Keyring({0: ROOTS[0]}))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)
keys = st.binary(min_size=19, max_size=19)
links = st.builds(
    Link,
    tenant=texts.filter(bool),
    channel=st.sampled_from(("email", "sms")),
    keys=st.lists(keys, min_size=1, max_size=8).map(tuple),
    program=st.sampled_from(("*", "news", "news/weekly", "a" * 200)),
    message_id=texts,
    issued=st.integers(0, (1 << 40) - 1),
)


def refused(reader, token):
    with pytest.raises(UnknownLink) as error:
        reader.read(token)
    return str(error.value) == "no such link"


@given(links)
def test_what_was_made_is_read(link):
    token = LINKS.mint(link)
    assert LINKS.read(token) == link
    assert len(token) <= LONGEST
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(links, st.data())
def test_any_bit_changed_is_refused(link, data):
    raw = bytearray(base64.urlsafe_b64decode(LINKS.mint(link) + "=="))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    assert refused(LINKS, base64.urlsafe_b64encode(raw).rstrip(b"=").decode())


@given(links, st.data())
def test_any_other_text_is_refused(link, data):
    """Unused bits of the last letter, padding, white space, cut short or longer: one link has one text."""
    token = LINKS.mint(link)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABab09-_+/= \n\0é\ud800"))
    for changed in (token[:at] + other + token[at + 1 :], token[:at], token + other, other + token, token[:at] + "="):
        assert changed == token or refused(LINKS, changed)


@given(st.text(st.characters(), max_size=200) | st.binary(max_size=200).map(lambda raw: raw.hex()))
@settings(max_examples=200)
def test_garbage_is_refused(text):
    assert refused(LINKS, text)


@pytest.mark.parametrize("text", ["", "A" * LONGEST, "A" * (LONGEST + 1), "_" * 4000], ids=len)
def test_the_longest_and_the_shortest_are_refused(text):
    assert refused(LINKS, text)


LINK = Link("acme", "email", (bytes(19), bytes(range(19))), "news/weekly", "m-1@mail.example.com", 1_790_000_000)


def test_old_links_stay_good_when_keys_rotate():
    old = Links(Keyring({0: ROOTS[0]})).mint(LINK)
    rotated = Links(Keyring(ROOTS, current=7))
    assert rotated.read(old) == rotated.read(rotated.mint(LINK)) == LINK
    assert refused(Links(Keyring({7: ROOTS[7]})), old)  # a key that was taken out


def test_a_tenants_own_key_makes_its_links_and_no_others():
    whole = Keyring({0: ROOTS[0]})
    mailer = Links(Keyring(derived={("acme", 0): whole.tenant_key("acme", 0)}))
    assert LINKS.read(mailer.mint(LINK)) == LINK
    with pytest.raises(UnknownTenantKey):
        mailer.mint(LINK._replace(tenant="globex"))
    # Signed by acme's key in the name of globex.
    forged = Links(Keyring(derived={("globex", 0): whole.tenant_key("acme", 0)})).mint(LINK._replace(tenant="globex"))
    assert refused(LINKS, forged)
    assert refused(mailer, LINKS.mint(LINK._replace(tenant="globex")))


def test_a_usual_link_is_short_enough_for_a_header_line():
    """RFC 5322 §2.1.1: a line has at most 998 characters."""
    assert len(LINKS.mint(LINK)) == 142


@pytest.mark.parametrize(
    "wrong",
    [{"tenant": ""}, {"channel": "post"}, {"keys": ()}, {"keys": (b"x",)}, {"program": "a" * 256}, {"issued": -1}],
    ids=str,
)
def test_what_is_no_link_is_not_made(wrong):
    with pytest.raises(ValueError, match=r"a link|a text|issued"):
        LINKS.mint(LINK._replace(**wrong))


def test_refusals_take_the_time_of_any_other():
    """No early way out for a wrong tenant, key id or MAC: all within a factor that no network lets anyone see."""
    good = LINKS.mint(LINK)
    unknown_kid = Links(Keyring({7: ROOTS[7]})).mint(LINK)
    wrong_mac = good[:-2] + ("AA" if good[-2:] != "AA" else "BA")
    garbage = "A" * len(good)

    def took(token):
        best = float("inf")
        for _ in range(300):
            began = time.perf_counter()
            with pytest.raises(UnknownLink):
                LINKS.read(token)
            best = min(best, time.perf_counter() - began)
        return best

    times = [took(each) for each in (unknown_kid, wrong_mac, garbage)]
    assert max(times) < min(times) + 50e-6
