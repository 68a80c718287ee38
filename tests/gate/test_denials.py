"""What a gate says when it does not know: unreadable records, missing or old heartbeats, a replica that loads."""

import pytest

from consent_stream.gate.question import Question
from consent_stream.gate.reading import Record
from consent_stream.gate.replica import ReplicaFault
from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY
from consent_stream.wire.vector import Point
from tests.gate.made import ANA, ANAS, SECOND, beat, entry, grant, restriction
from tests.gate.mailer import LIMIT, NOON, ORIGIN, Mailer

UNREADABLE = pytest.mark.parametrize("value", [None, b"junk", entry(version=9)[:-3]], ids=["null", "junk", "torn"])
NEWER = b'{"tenants": {"acme": {"new_setting": 1}}}'


@pytest.fixture
def mailer():
    return Mailer().get_ready()


class TestWhatCannotBeRead:
    @UNREADABLE
    @pytest.mark.parametrize("purpose", ["marketing", "transactional"])
    def test_a_key_with_an_unreadable_record_is_denied_until_a_readable_one_comes(self, mailer, value, purpose):
        mailer.rows((ANAS, entry(grant(), version=3)))
        mailer.rows((ANAS, value))
        assert mailer.ask(purpose=purpose).reasons == ("not_ready",)
        assert mailer.ask(email="other@example.com", purpose="transactional").allow
        assert sum(mailer.reading.alarms.values()) == 1
        mailer.rows((ANAS, entry(grant(), version=4)))
        assert mailer.ask(purpose=purpose).allow

    @UNREADABLE
    def test_also_where_no_consent_is_needed_and_nothing_was_known(self, mailer, value):
        mailer.control(encode_policy({"acme": {"basis": {"marketing": "legitimate_interest"}}}))
        assert mailer.ask().allow
        mailer.rows((ANAS, value))
        assert mailer.ask().reasons == ("not_ready",)
        assert sum(mailer.reading.alarms.values()) == 1

    def test_what_was_known_to_forbid_is_still_told(self, mailer):
        mailer.rows((ANAS, entry(restriction())))
        mailer.rows((ANAS, None))
        assert mailer.ask().reasons == ("not_ready", "unsubscribed")

    def test_a_record_without_a_subject_key_is_counted(self, mailer):
        mailer.rows((None, b"x"), (b"short", b"x"))
        assert mailer.reading.alarms == {"foreign_key": 2}

    @pytest.mark.parametrize("value", [None, b"junk"])
    def test_a_heartbeat_that_cannot_be_read_is_none(self, mailer, value):
        mailer.rows((HEARTBEAT_KEY, value))
        assert mailer.reading.alarms == {"unreadable_heartbeat": 1}
        assert mailer.ask(purpose="transactional").allow

    def test_a_store_that_fails_denies(self, mailer, monkeypatch):
        def broken(key):
            raise ReplicaFault("disk")

        monkeypatch.setattr(mailer.reading.replica, "get", broken)
        assert mailer.ask(purpose="transactional").reasons == ("not_ready",)


class TestFreshness:
    def test_stale_past_the_limit_and_not_before(self, mailer):
        mailer.rows((ANAS, entry(grant())))
        mailer.pass_time(LIMIT)
        assert mailer.ask().allow
        mailer.pass_time(1)
        verdict = mailer.ask()
        assert (verdict.reasons, verdict.staleness) == (("stale",), 11.0)
        mailer.beats()
        assert mailer.ask().allow

    @pytest.mark.parametrize("purpose", ["marketing", "sharing", "profiling", "transactional", "legal_required"])
    def test_stale_denies_every_purpose(self, mailer, purpose):
        mailer.pass_time(LIMIT + 1)
        assert mailer.ask(purpose=purpose).reasons[0] == "stale"

    def test_what_is_known_is_told_beside_it(self, mailer):
        mailer.rows((ANAS, entry(restriction())))
        mailer.pass_time(LIMIT + 1)
        assert mailer.ask().reasons == ("stale", "unsubscribed", "no_consent")

    def test_a_contact_needs_applied_and_an_address_alone_settled(self, mailer):
        mailer.rows((ANAS, entry(grant())))
        mailer.pass_time(LIMIT + 1)
        mailer.beats(settled=dict.fromkeys((0, 1), Point(1, NOON)))
        assert mailer.ask(contact="c-42").allow
        assert mailer.ask().reasons == ("stale",)

    def test_one_silent_partition_is_enough_to_be_stale(self):
        mailer = Mailer()
        mailer.reading.caught_up()
        mailer.reading.take([Record(0, 0, HEARTBEAT_KEY, beat(0, through=NOON))], NOON, 0)
        verdict = mailer.ask(purpose="transactional")
        assert (verdict.reasons, verdict.staleness, verdict.applied_through) == (("stale",), None, None)

    def test_the_control_topic_says_how_many_partitions_of_the_events_must_be_spoken_for(self, mailer):
        mailer.control(encode_partitions(Partitions(3, 2)))
        assert mailer.ask(purpose="transactional").reasons == ("stale",)
        mailer.beats(events=3)
        assert mailer.ask(purpose="transactional").allow

    def test_a_heartbeat_from_the_future_proves_nothing(self, mailer):
        mailer.beats(through=NOON + (LIMIT + 1) * SECOND)
        assert mailer.ask(purpose="transactional").reasons == ("stale",)

    def test_t36_while_the_replica_loads(self):
        mailer = Mailer()
        mailer.rows((ANAS, entry(grant())))
        mailer.beats()
        assert mailer.ask().reasons == ("not_ready",)
        assert mailer.ask(email="other@example.com").reasons == ("not_ready",)
        assert mailer.ask(purpose="legal_required").reasons == ("not_ready",)
        mailer.reading.caught_up()
        assert mailer.ask().allow

    def test_what_already_forbids_is_told_while_it_loads(self):
        mailer = Mailer()
        mailer.rows((ANAS, entry(restriction())))
        assert mailer.ask().reasons == ("not_ready", "unsubscribed")

    @pytest.mark.parametrize("lose", ["close", "refuse", "reconnect"])
    def test_a_session_that_is_over_answers_no_more(self, mailer, lose):
        mailer.rows((ANAS, entry(grant())))
        getattr(mailer.reading, lose)(*[] if lose == "close" else ["gone"])
        assert mailer.ask().reasons == ("not_ready",)

    def test_an_answer_that_spans_two_sessions_is_none(self, mailer):
        """The rows vanish between the look at the clocks and the look at the rows."""
        mailer.rows((ANAS, entry(restriction("frozen", purpose="*", channel="*"))))
        moment = mailer.checker.moment(settled=True)
        mailer.reading.begin(ORIGIN._replace(topic_id="made anew"))
        verdict = mailer.checker.ask(Question("acme", ANA, purpose="transactional"), moment)
        assert verdict.reasons == ("not_ready",)


class TestControl:
    @pytest.mark.parametrize("key", [b"policy", b"partitions"])
    @pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", NEWER, b'{"events": 0}'])
    def test_a_control_record_that_cannot_be_read_leaves_nothing_to_go_by(self, mailer, key, value):
        mailer.control((key, value))
        assert mailer.ask(purpose="transactional").reasons == ("not_ready",)
        assert "consent.control" in mailer.reading.why_incomplete
        mailer.control(encode_policy({"acme": {}}), encode_partitions(Partitions(2, 2)))
        assert mailer.ask(purpose="transactional").allow

    def test_unknown_control_records_are_for_others(self, mailer):
        mailer.control((b"something", b"else"))
        assert mailer.ask(purpose="transactional").allow

    def test_a_list_with_another_partition_count_than_the_ledger_is_not_the_whole_list(self):
        mailer = Mailer(ledger=3)
        mailer.reading.caught_up()
        mailer.beats()
        assert mailer.ask(purpose="transactional").reasons == ("not_ready",)
        assert "3" in mailer.reading.why_incomplete

    def test_a_new_session_asks_for_the_control_records_again(self, mailer):
        mailer.reading.begin(ORIGIN)
        mailer.reading.caught_up()
        mailer.beats()
        assert mailer.ask(purpose="transactional").reasons == ("not_ready",)
