"""Which subject keys a question concerns."""

import pytest

from consent_stream.gate.question import Asked, Question, subjects
from consent_stream.wire.keys import Keyring
from tests.gate.made import ANA, ANAS, RING

TWO = Keyring({0: bytes(32), 1: b"\1" * 32})


def asked(ring=RING, tenant="acme", email=None, phone=None, key=None, contact=None, region=None):
    return subjects(ring)(tenant, email, phone, key, contact, region)


def test_an_address_and_a_contact():
    found = asked(email=" Ana@Example.COM ", contact="c-42")
    assert found == Asked((ANAS, RING.subject("acme", "contact", "c-42")), (), "email")


def test_the_base_form_of_an_address_is_looked_up_beside_it():
    found = asked(email="a.na+shop@gmail.com")
    assert found.keys == (RING.subject("acme", "email", "a.na+shop@gmail.com"),)
    assert found.bases == (RING.subject("acme", "email", "ana@gmail.com"),)
    assert asked(email=ANA).bases == ()


def test_every_live_key_id_is_asked():
    found = asked(TWO, email="ana+x@example.com", contact="c")
    assert [key[2] for key in (*found.keys, *found.bases)] == [0, 1, 0, 1, 0, 1]


@pytest.mark.parametrize(
    ("phone", "region", "channel"),
    [("+12015550123", None, "sms"), ("(201) 555-0123", "us", "sms"), ("201 555", None, "")],
)
def test_phones(phone, region, channel):
    found = asked(phone=phone, region=region)
    assert found.channel == channel
    wanted = (RING.subject("acme", "sms", "+12015550123"),) if channel else ()
    assert found.keys == wanted


@pytest.mark.parametrize(
    "about",
    [
        {"email": "nobody"},
        {"email": ""},
        {"email": "a\ud800@example.com"},
        {"phone": "12"},
        {"key": "no hex"},
        {"key": "00" * 19},
        {"key": RING.subject("acme", "contact", "c-42").hex()},
        {"email": ANA, "contact": ""},
        {"email": ANA, "contact": "\ud800"},
    ],
)
def test_what_names_no_address_is_a_bad_address(about):
    assert asked(**about).fault == "bad_address"


def test_a_bare_key_is_taken_as_it_is():
    assert asked(key=ANAS.hex(), contact="c") == Asked((ANAS, RING.subject("acme", "contact", "c")), bare=True)


@pytest.mark.parametrize("ring", [None, Keyring(derived={("other", 0): bytes(32)})])
@pytest.mark.parametrize("about", [{"email": ANA}, {"phone": "+12015550123"}, {"key": ANAS.hex()}])
def test_without_key_material_of_the_tenant_nothing_is_looked_up(ring, about):
    assert asked(ring, **about) == Asked(fault="unknown_tenant_key")


def test_a_bare_key_is_not_enough_while_several_key_ids_are_live():
    assert asked(TWO, key=ANAS.hex()).fault == "unknown_tenant_key"
    assert asked(Keyring({1: bytes(32)}), key=ANAS.hex()).fault == "unknown_tenant_key"


def test_a_tenant_that_is_no_text_has_no_key():
    assert asked(tenant="\ud800", email=ANA).fault == "unknown_tenant_key"


def test_a_question_shows_nobody():
    asked = Question("acme", email="ana@example.com", contact="c-42", scope="news")
    for shown in (repr(asked), str(asked), f"{asked}", repr([asked]), repr(asked._replace(email=None, phone="+1201"))):
        assert "ana" not in shown
        assert "c-42" not in shown
        assert "1201" not in shown
    assert repr(asked) == "<Question of acme: marketing, scope news>"
