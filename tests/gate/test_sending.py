"""A message at a gate: what a mailer does with its permit, and what the record says of it. Clocks are numbers."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.gate.checker import Clock
from consent_stream.gate.question import Question
from consent_stream.gate.sending import FACTS_BYTES, Desk
from consent_stream.gate.verdict import Verdict
from consent_stream.wire.keys import Keyring
from consent_stream.wire.send import decode_send, encode_send
from tests.gate.made import ANA, ANAS, RING, SECOND

NOON = 1_800_000_000 * SECOND
LIMIT = 10 * SECOND
NO = Verdict(False, ("unsubscribed",), ("u-1",), 7, NOON - 5, 0.0, 0)


class Log:
    """Keeps what it is told."""

    sender, gate = "newsletter", "g-1"

    def __init__(self):
        self.sends = []

    def write(self, send):
        assert decode_send(encode_send(send)) == send
        self.sends.append(send)


class Mailer:
    """A desk whose answers come from a list; the last one stays."""

    def __init__(self, *answers, channel="email", ring=RING):
        self.wall, self.steady = NOON, 0
        self.answers, self.asked, self.log = list(answers), 0, Log()
        clock = Clock(lambda: self.wall, lambda: self.steady)
        self.desk = Desk(self._answer, channel, ring, clock, self.log)

    def _answer(self, question):
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Verdict(True, (), ("g-1",), 6, self.wall - 3, 0.0, self.wall + LIMIT) if answer is YES else answer

    def pass_time(self, seconds):
        self.wall += seconds * SECOND
        self.steady += seconds * SECOND

    def sending(self, message_id="m-1", **about):
        about = about if {"phone", "key"} & set(about) else {"email": ANA, **about}
        return self.desk.sending(Question("acme", **{"scope": "news", **about}), message_id)

    @property
    def record(self):
        (send,) = self.log.sends
        return send


YES = None  # a fresh yes of that moment


def test_a_message_that_may_go_is_handed_over_and_recorded_with_its_answer():
    mailer = Mailer(YES)
    with mailer.sending(contact="c-42") as permit:
        assert permit
        mailer.pass_time(1)
        assert permit.ensure()
        mailer.pass_time(2)
    send = mailer.record
    assert send.outcome == "handed_over"
    assert (send.checked, send.started, send.ended) == (NOON + SECOND, NOON + SECOND, NOON + 3 * SECOND)
    assert (send.allow, send.reasons, send.facts, send.version) == (True, (), ("g-1",), 6)
    assert (send.applied_through, send.valid_until) == (NOON + SECOND - 3, NOON + SECOND + LIMIT)
    assert (send.tenant, send.channel, send.purpose, send.scope) == ("acme", "email", "marketing", "news")
    assert (send.message_id, send.sender, send.gate) == ("m-1", "newsletter", "g-1")
    assert send.keys == (ANAS, RING.subject("acme", "contact", "c-42"))
    assert (send.bases, send.address_channel, send.bare) == ((), "email", False)
    assert send.handed_over_at == NOON + SECOND


def test_no_record_holds_an_address_or_a_contact():
    mailer = Mailer(YES)
    with mailer.sending(email="Ana+x@Example.com", contact="contact-42"):
        pass
    raw = encode_send(mailer.record).lower()
    assert b"ana" not in raw
    assert b"example" not in raw
    assert b"contact-42" not in raw
    assert mailer.record.bases == (ANAS,)


def test_a_denial_that_the_mailer_looked_at_is_held_back_with_every_reason():
    mailer = Mailer(NO)
    with mailer.sending() as permit:
        assert not permit
        assert permit.verdict is NO
    send = mailer.record
    assert (send.outcome, send.allow, send.reasons, send.facts) == ("held_back", False, ("unsubscribed",), ("u-1",))
    assert send.started is None
    assert send.handed_over_at is None


def test_a_withdrawal_between_entry_and_hand_over_is_seen():
    mailer = Mailer(YES, NO)
    with mailer.sending() as permit:
        assert permit
        assert not permit.ensure()
        assert not permit
    assert (mailer.record.outcome, mailer.record.reasons) == ("held_back", ("unsubscribed",))


def test_a_denial_may_become_a_yes_as_when_a_stale_gate_is_fresh_again():
    mailer = Mailer(NO, YES)
    with mailer.sending() as permit:
        assert not permit
        assert permit.ensure()
    assert (mailer.record.outcome, mailer.record.allow) == ("handed_over", True)


def test_an_answer_that_has_lapsed_is_asked_for_again():
    mailer = Mailer(YES, NO)
    with mailer.sending() as permit:
        mailer.pass_time(9)
        assert permit
        assert mailer.asked == 1
        mailer.pass_time(1)
        assert not permit
        assert mailer.asked == 2
    assert mailer.record.outcome == "held_back"


def test_a_wall_clock_that_is_set_back_makes_no_answer_last_longer():
    mailer = Mailer(YES, NO)
    with mailer.sending() as permit:
        mailer.pass_time(10)
        mailer.wall -= 3600 * SECOND
        assert not permit
    assert mailer.record.ended >= mailer.record.checked


def test_an_error_while_handing_over_goes_on_its_way_and_is_recorded():
    mailer = Mailer(YES)

    def hand_over():
        with mailer.sending() as permit:
            assert permit.ensure()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        hand_over()
    assert (mailer.record.outcome, mailer.record.started) == ("failed", NOON)
    assert mailer.record.handed_over_at is None


def test_an_error_by_which_a_mailer_drops_a_denied_message_is_no_failure():
    mailer = Mailer(NO)

    def hand_over():
        with mailer.sending() as permit:
            if not permit:
                raise LookupError

    with pytest.raises(LookupError):
        hand_over()
    assert mailer.record.outcome == "held_back"


def test_even_an_interrupt_is_recorded():
    mailer = Mailer(YES)

    def hand_over():
        with mailer.sending() as permit:
            permit.ensure()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hand_over()
    assert mailer.record.outcome == "failed"


def test_a_mailer_may_choose_not_to_send():
    mailer = Mailer(YES)
    with mailer.sending() as permit:
        assert permit.ensure()
        permit.skip()
    assert (mailer.record.outcome, mailer.record.started) == ("not_attempted", None)
    assert mailer.record.handed_over_at is None


def test_who_skips_and_then_hands_over_all_the_same_has_handed_over():
    mailer = Mailer(YES)
    with mailer.sending() as permit:
        permit.skip()
        assert permit.ensure()
    assert mailer.record.outcome == "handed_over"


@pytest.mark.parametrize("answer", [YES, NO])
def test_who_never_looks_is_taken_to_have_handed_over_when_the_block_ends(answer):
    mailer = Mailer(answer)
    with mailer.sending():
        mailer.pass_time(3)  # smtp.send_message(...), whatever the answer
    send = mailer.record
    assert (send.outcome, send.allow, send.started) == ("unclear", answer is YES, None)
    assert send.handed_over_at == NOON + 3 * SECOND


def test_who_hands_over_without_ensure_is_held_to_the_end_of_the_block():
    mailer = Mailer(YES)
    with mailer.sending() as permit:
        if permit:
            mailer.pass_time(30)  # held for long, and then handed over
    send = mailer.record
    assert (send.outcome, send.started) == ("handed_over", None)
    assert send.handed_over_at == NOON + 30 * SECOND
    assert send.ended > send.valid_until


def test_a_look_at_the_permit_after_the_hand_over_rewrites_nothing():
    mailer = Mailer(YES, YES, NO)
    with mailer.sending() as permit:
        assert permit.ensure()
        mailer.pass_time(60)  # a slow server
        assert not permit, "for a second try it must be asked again"
    send = mailer.record
    assert (send.outcome, send.allow, send.started) == ("handed_over", True, NOON)


def test_a_second_try_after_a_withdrawal_is_held_back():
    mailer = Mailer(YES, YES, NO)
    with mailer.sending() as permit:
        assert permit.ensure()  # the server says 4xx
        assert not permit.ensure()
    assert (mailer.record.outcome, mailer.record.started) == ("held_back", None)


ACTS = st.lists(st.sampled_from(["look", "ensure", "wait", "wait long", "skip", "fail"]), max_size=8)


def act_out(mailer, acts):
    """What the mailer knows at the end: the last answer it saw (None: none), whether it skipped, whether it failed."""
    seen, skipped = None, False
    with suppress(ConnectionError), mailer.sending() as permit:
        for act in acts:
            if act in ("look", "ensure"):
                seen = bool(permit.ensure() if act == "ensure" else permit)
                skipped = skipped and act == "look"
            elif act == "skip":
                permit.skip()
                skipped = True
            elif act == "fail":
                raise ConnectionError
            else:
                mailer.pass_time(11 if act == "wait long" else 1)
    return seen, skipped, "fail" in acts


@given(st.lists(st.sampled_from([YES, NO]), min_size=1, max_size=6), ACTS)
def test_whatever_a_mailer_does_a_hand_over_that_may_have_been_is_not_recorded_as_none(answers, acts):
    mailer = Mailer(*answers)
    seen, skipped, failed = act_out(mailer, acts)
    send = mailer.record
    if seen is not False and not skipped and not failed:
        assert send.handed_over_at is not None
        assert send.outcome == ("unclear" if seen is None else "handed_over")
    if send.outcome == "held_back":
        assert not send.allow
        assert send.reasons
    if send.outcome == "handed_over":
        assert send.allow
    if send.started is not None:
        assert send.allow
        assert send.checked == send.started < send.valid_until
        assert "ensure" in acts
    assert send.checked <= send.ended
    assert (send.outcome == "not_attempted") == skipped


def test_a_permit_is_of_no_use_after_its_block():
    mailer = Mailer(YES)
    with mailer.sending() as permit:
        permit.ensure()
    assert not permit
    with pytest.raises(RuntimeError, match="ended"):
        permit.ensure()
    assert len(mailer.log.sends) == 1


def test_a_block_is_for_one_message():
    mailer = Mailer(YES)
    sending = mailer.sending()
    with sending:
        pass
    with pytest.raises(RuntimeError), sending:
        pass
    assert len(mailer.log.sends) == 1


def test_sending_by_itself_is_no_answer():
    mailer = Mailer(YES)
    with pytest.raises(TypeError, match="with"):
        bool(mailer.sending())


@pytest.mark.parametrize("message_id", ["", "é" * 129, None, 7, "\ud800", f"<{ANA.upper()}>"])
def test_an_id_that_is_none_or_holds_the_address_is_refused_before_anything_is_asked(message_id):
    mailer = Mailer(YES)
    with pytest.raises(ValueError, match="message_id") as refused:
        mailer.sending(message_id)
    assert ANA not in str(refused.value).lower()
    assert mailer.asked == 0
    with mailer.sending("é" * 128):
        pass


def test_a_question_without_an_address_or_key_material_is_recorded_without_keys():
    for mailer, about in ((Mailer(NO), {"email": "no address"}), (Mailer(NO, ring=None), {})):
        with mailer.sending(**about) as permit:
            assert not permit
        assert mailer.record.keys == ()


def test_while_keys_rotate_the_current_one_is_the_key_of_the_record():
    ring = Keyring({0: bytes(32), 1: bytes(range(32)), 2: b"x" * 32}, current=1)
    mailer = Mailer(YES, ring=ring)
    with mailer.sending(contact="c-42"):
        pass
    keys = mailer.record.keys
    assert [(key[1:2], key[2]) for key in keys[:3]] == [(b"a", 1), (b"a", 0), (b"a", 2)]
    assert sorted(key[2] for key in keys if key[1:2] == b"c") == [0, 1, 2]


def test_a_bare_key_is_told_as_one():
    for channel, address_channel in (("email", "email"), ("sms", "sms"), ("sharing", "")):
        mailer = Mailer(YES, channel=channel)
        with mailer.sending(key=ANAS.hex()):
            pass
        send = mailer.record
        assert (send.keys, send.bare, send.address_channel) == ((ANAS,), True, address_channel)


def test_long_event_ids_do_not_make_a_record_that_kafka_refuses():
    facts = ("x" * (FACTS_BYTES - 1), "y", "z" * 60_000)
    mailer = Mailer(Verdict(False, ("erased",), facts, 1, 1, 0.0, 0))
    with mailer.sending() as permit:
        assert not permit
    assert (mailer.record.facts, mailer.record.facts_left_out) == (facts[:2], 1)


def test_texts_that_have_no_bytes_are_recorded_all_the_same():
    mailer = Mailer(NO)
    with mailer.desk.sending(Question("\ud800", email=ANA, scope="a\udfff"), "m-1") as permit:
        assert not permit
    assert (mailer.record.tenant, mailer.record.scope) == ("?", "a?")


def test_a_permit_shows_no_address():
    mailer = Mailer(NO)
    with mailer.sending() as permit:
        assert repr(permit) == "<Permit <Verdict deny unsubscribed; version 7; facts 1; staleness 0.0>>"
