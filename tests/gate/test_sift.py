"""Many addresses at once are answered as one by one."""

import random

import pytest

from consent_stream.domain.facts import CONTACT
from consent_stream.gate.sift import sift
from consent_stream.wire.keys import Keyring
from consent_stream.wire.stops import Stop, encode_stop
from tests.gate.made import RING, entry, grant, restriction
from tests.gate.mailer import NOON, Mailer

EMAILS = [f"p{n}@example.com" for n in range(60)] + [
    "p1+news@example.com",
    "nobody",
    "P2@Example.COM",
    "new@example.com",
]


def filled(**about):
    rng, mailer = random.Random(4), Mailer(**about)
    for n in range(60):
        parts = [grant(ident=f"g{n}", lo=NOON - 9, until=NOON + rng.choice((-1, 5, 10**9)), level=rng.randrange(1, 4))]
        if n % 3 == 0:
            parts.append(
                restriction(rng.choice(("unsubscribed", "complaint")), ident=f"r{n}", hi=NOON - rng.randrange(20))
            )
        mailer.rows((RING.subject("acme", "email", f"p{n}@example.com"), entry(*parts, version=n + 1)))
    no = entry(restriction("global_opt_out", channel="*"), channels=CONTACT)
    mailer.rows((RING.subject("acme", "contact", "c-1"), no))
    return mailer


def one_by_one(mailer, contacts=None, **about):
    contacts = contacts or [None] * len(EMAILS)
    return [
        mailer.ask(email=email, contact=contact, **about).reasons
        for email, contact in zip(EMAILS, contacts, strict=True)
    ]


def at_once(mailer, contacts=None, tenant="acme", purpose="marketing", scope="news"):
    return sift(mailer.checker, tenant, EMAILS, None, contacts, None, purpose, scope)


@pytest.mark.parametrize("purpose", ["marketing", "transactional", "legal_required", "gossip"])
@pytest.mark.parametrize("scope", ["news", "*", "news//x"])
def test_ready(purpose, scope):
    mailer = filled().get_ready()
    for _ in range(2):
        told = at_once(mailer, purpose=purpose, scope=scope)
        assert told.reasons == one_by_one(mailer, purpose=purpose, scope=scope)
    assert (told.applied_through, told.staleness) == (NOON, 0.0)


def test_with_contacts():
    mailer = filled().get_ready()
    contacts = [None if n % 2 else f"c-{n % 4}" for n in range(len(EMAILS))]
    contacts[5] = "c-1"
    assert at_once(mailer, contacts).reasons == one_by_one(mailer, contacts)
    assert "global_opt_out" in at_once(mailer, contacts).reasons[5]


def test_when_nothing_may_be_sent():
    mailer = filled()
    assert at_once(mailer).reasons == one_by_one(mailer)
    mailer.get_ready()
    assert () in at_once(mailer).reasons
    mailer.pass_time(11)
    assert at_once(mailer).reasons == one_by_one(mailer)
    assert () not in at_once(mailer).reasons
    mailer.beats()
    mailer.control(encode_stop("acme", "email", Stop(True, "a test", "ana", 1)))
    assert all("stopped" in each or each == ("bad_address",) for each in at_once(mailer).reasons)
    assert at_once(mailer).reasons == one_by_one(mailer)


def test_without_key_material():
    mailer = filled(ring=Keyring(derived={("other", 0): bytes(32)})).get_ready()
    assert at_once(mailer).reasons == one_by_one(mailer)


def test_a_session_that_ends_meanwhile_leaves_no_answer(monkeypatch):
    mailer = filled().get_ready()
    at_once(mailer)
    get, asked = mailer.reading.replica.get, []

    def vanishing(key):
        asked.append(key)
        if len(asked) == 30:
            mailer.reading.reconnect("made anew")
        return get(key)

    monkeypatch.setattr(mailer.reading.replica, "get", vanishing)
    assert () not in at_once(mailer).reasons


@pytest.mark.parametrize("about", [{"emails": None}, {"phones": ["+12015550123"]}, {"contacts": ["c"]}])
def test_what_cannot_be_asked_is_a_mistake_of_the_caller(about):
    given = {"emails": ["a@example.com", "b@example.com"], "phones": None, "contacts": None, **about}
    with pytest.raises(ValueError, match=r"emails|contacts"):
        sift(Mailer().checker, "acme", given["emails"], given["phones"], given["contacts"], None, "marketing", "*")


def test_phones_are_none_of_a_mail_gates_business():
    for mailer in (filled(), filled().get_ready()):
        with pytest.raises(ValueError, match="knows no such"):
            sift(mailer.checker, "acme", None, ["+12015550123"], None, None, "marketing", "*")
