"""Answers of a gate that is ready."""

from datetime import UTC, datetime

import pytest

from consent_stream.domain.facts import CONTACT, SMS
from consent_stream.gate import control
from consent_stream.gate.checker import Checker, Clock
from consent_stream.gate.question import Question
from consent_stream.wire.control import POLICY, decode_policy, encode_policy
from consent_stream.wire.keys import Keyring
from tests.gate.made import ANA, ANAS, RING, SECOND, entry, grant, restriction
from tests.gate.mailer import LIMIT, NOON, Mailer

SMS_KEY = RING.subject("acme", "sms", "+12015550123")


@pytest.fixture
def mailer():
    return Mailer().get_ready()


def test_a_grant_allows_and_the_verdict_says_on_what(mailer):
    mailer.rows((ANAS, entry(grant(until=NOON + 3600 * SECOND), version=7)))
    verdict = mailer.ask()
    assert verdict
    assert (verdict.reasons, verdict.facts, verdict.version) == ((), ("g1",), 7)
    assert (verdict.applied_through, verdict.staleness) == (NOON, 0.0)
    assert verdict.valid_until == NOON + LIMIT * SECOND


def test_a_verdict_is_valid_no_longer_than_the_grant(mailer):
    mailer.rows((ANAS, entry(grant(until=NOON + SECOND))))
    assert mailer.ask().valid_until == NOON + SECOND
    mailer.pass_time(1)
    assert mailer.ask().reasons == ("expired",)


def test_a_denial_is_false_and_shows_no_address(mailer):
    mailer.rows((ANAS, entry(grant(), restriction(ident=ANA))))
    verdict = mailer.ask()
    assert not verdict
    assert verdict.reasons == ("unsubscribed",)
    assert verdict.valid_until == 0
    assert "ana" not in repr(verdict)


def test_nobody_known_has_no_consent(mailer):
    assert mailer.ask().reasons == ("no_consent",)
    assert mailer.ask(purpose="transactional").allow


def test_the_contact_is_joined_when_given(mailer):
    contact = RING.subject("acme", "contact", "c-42")
    opt_out = restriction("global_opt_out", channel="*")
    mailer.rows((ANAS, entry(grant())), (contact, entry(opt_out, channels=CONTACT)))
    assert mailer.ask().allow
    assert mailer.ask(contact="c-42").reasons == ("global_opt_out",)
    assert mailer.ask(contact="c-43").allow


def test_the_greater_version_stands_within_one_batch_too(mailer):
    mailer.rows((ANAS, entry(grant(), restriction(), version=2)), (ANAS, entry(grant(), version=1)))
    assert mailer.ask().reasons == ("unsubscribed",)


def test_the_base_form_lends_its_four_kinds_and_nothing_else(mailer):
    tagged = RING.subject("acme", "email", "ana+news@example.com")
    mailer.rows((tagged, entry(grant())), (ANAS, entry(restriction("unsubscribed"))))
    assert mailer.ask(email="ana+news@example.com").allow
    mailer.rows((ANAS, entry(restriction("complaint"), version=2)))
    assert mailer.ask(email="ana+news@example.com").reasons == ("complaint",)


def test_every_live_key_id_counts():
    old, new = bytes(32), b"\1" * 32
    mailer = Mailer(ring=Keyring({0: old, 1: new})).get_ready()
    rotated = Keyring({1: new}).subject("acme", "email", ANA)
    mailer.rows((ANAS, entry(grant())), (rotated, entry(restriction())))
    assert mailer.ask().reasons == ("unsubscribed",)


def test_the_policy_of_the_control_topic_decides(mailer):
    mailer.rows((ANAS, entry(grant(level=2))))
    assert mailer.ask().allow
    mailer.control(encode_policy({"acme": {"min_evidence": "E3"}}))
    assert mailer.ask().reasons == ("evidence_too_low",)
    mailer.control(encode_policy({"acme": {"basis": {"marketing": "legitimate_interest"}}}))
    assert mailer.ask(email="new@example.com").allow


@pytest.mark.parametrize(
    ("about", "reason"),
    [
        ({"email": "nobody"}, "bad_address"),
        ({"email": "nobody", "purpose": "gossip"}, "bad_address"),
        ({"purpose": "gossip"}, "unknown_purpose"),
        ({"scope": "news//weekly"}, "unknown_purpose"),
    ],
)
@pytest.mark.parametrize("ready", [True, False])
def test_a_question_that_cannot_be_read_is_answered_alone(about, reason, ready):
    mailer = Mailer()
    if ready:
        mailer.get_ready()
    assert mailer.ask(**about).reasons == (reason,)


def test_a_tenant_without_key_material_is_denied_everything(mailer):
    mailer.checker = Checker("email", mailer.reading, Keyring(derived={("other", 0): bytes(32)}), LIMIT, Clock())
    assert mailer.ask(purpose="transactional").reasons[-1] == "unknown_tenant_key"


@pytest.mark.parametrize("about", [{}, {"email": ANA, "phone": "+12015550123"}, {"phone": "+12015550123"}])
def test_a_question_that_is_none_of_this_gate_is_a_mistake_of_the_caller(mailer, about):
    with pytest.raises(ValueError, match=r"exactly one|no such addresses") as mistake:
        mailer.checker.ask(Question("acme", **about), mailer.checker.moment(settled=True))
    assert "@" not in str(mistake.value)
    assert "555" not in str(mistake.value)


def test_the_instant_may_be_a_datetime(mailer):
    mailer.rows((ANAS, entry(grant(lo=NOON - SECOND, until=NOON + SECOND))))
    before = datetime.fromtimestamp((NOON - 2 * SECOND) / SECOND, UTC)
    assert mailer.ask(at=before).reasons == ("no_consent",)
    assert mailer.ask(at=NOON + SECOND).reasons == ("expired",)
    with pytest.raises(ValueError, match="time zone"):
        mailer.ask(at=before.replace(tzinfo=None))


class TestBareKeys:
    def test_a_subject_key_is_an_address(self, mailer):
        mailer.rows((ANAS, entry(grant())))
        assert mailer.ask(key=ANAS.hex()).allow

    def test_a_row_of_another_tenant_is_no_row(self, mailer):
        mailer.rows((ANAS, entry(grant(), restriction("legal"))))
        for purpose in ("marketing", "transactional", "legal_required"):
            foreign = mailer.ask("umbrella", key=ANAS.hex(), purpose=purpose)
            unknown = mailer.ask("umbrella", key=SMS_KEY.hex(), purpose=purpose)
            assert foreign.reasons == unknown.reasons == ("no_consent",)
            assert foreign.facts == ()
            assert foreign.version == 0

    def test_a_row_of_another_tenant_under_our_own_key_is_not_relied_on(self, mailer):
        mailer.rows((ANAS, entry(grant(), tenant="umbrella")))
        assert mailer.ask().reasons == ("not_ready",)
        assert mailer.ask(purpose="transactional").reasons == ("not_ready",)


class TestSharing:
    @pytest.fixture
    def sharing(self):
        return Mailer(channel="sharing").get_ready()

    def test_it_answers_for_addresses_of_both_channels_and_no_marketing(self, sharing):
        shared = grant("partners", purpose="sharing", channel="*", level=4)
        sharing.rows(
            (ANAS, entry(shared, channel="sharing")), (SMS_KEY, entry(shared, channel="sharing", channels=SMS))
        )
        for about in ({"email": ANA}, {"phone": "+12015550123"}, {"key": SMS_KEY.hex()}):
            assert sharing.ask(purpose="sharing", scope="partners", **about).allow
            assert sharing.ask(purpose="marketing", **about).reasons == ("unknown_purpose",)

    def test_sharing_is_answered_by_the_email_list_too(self, mailer):
        mailer.rows((ANAS, entry(grant("partners", purpose="sharing", channel="*", level=4))))
        assert mailer.ask(purpose="sharing", scope="partners/acme-data").allow

    def test_a_record_of_another_list_is_not_relied_on(self, sharing):
        sharing.rows((ANAS, entry(grant("partners", purpose="sharing", channel="*", level=4))))
        assert sharing.ask(purpose="sharing", scope="partners").reasons == ("not_ready",)


def test_a_restriction_of_another_scope_does_not_concern(mailer):
    mailer.rows((ANAS, entry(grant(), restriction("topic_opt_out", "offers"))))
    assert mailer.ask().allow
    assert mailer.ask(scope="offers").reasons == ("topic_opt_out", "no_consent")


def test_an_answer_never_falls_between_two_policies(monkeypatch):
    """The defaults may permit what the tenant's own policy forbids, and each worker that starts writes it anew."""
    strict = {"acme": {"min_evidence": "E4"}}
    mailer = Mailer(strict).get_ready()
    mailer.rows((ANAS, entry(grant())))
    assert mailer.ask().reasons == ("evidence_too_low",)
    answers = []

    def decoding(value):
        answers.append(mailer.ask())
        return decode_policy(value)

    monkeypatch.setattr(control, "decode_policy", decoding)
    mailer.control(encode_policy(strict))
    assert [verdict.allow for verdict in answers] == [False]
    moment = mailer.checker.moment(settled=True)
    mailer.control((POLICY, b"?"))  # one that cannot be read comes after the look at the clocks
    assert mailer.checker.ask(Question("acme", email=ANA, scope="news"), moment).reasons == ("evidence_too_low",)
    assert mailer.ask().reasons == ("not_ready",)
