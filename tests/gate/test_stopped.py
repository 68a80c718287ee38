"""The kill switch in a gate: what it covers, what cannot be read, and how old the knowledge of it may be."""

import pytest

from consent_stream.wire.stops import Stop, encode_stop
from tests.gate.made import ANA, ANAS, SECOND, entry, grant
from tests.gate.mailer import LIMIT, Mailer

ON = Stop(True, "wrong template", "ana", 1)
OFF = ON._replace(stopped=False)


@pytest.fixture
def mailer():
    found = Mailer().get_ready()
    found.rows((ANAS, entry(grant())))
    assert found.ask()
    return found


@pytest.mark.parametrize("tenant", ["acme", "*"])
@pytest.mark.parametrize("channel", ["email", "*"])
def test_it_denies_what_it_covers_until_it_is_off(mailer, tenant, channel):
    mailer.control(encode_stop(tenant, channel, ON))
    assert mailer.ask().reasons == ("stopped",)
    assert mailer.ask(purpose="transactional").reasons == ("stopped",)
    mailer.control(encode_stop(tenant, channel, OFF))
    assert mailer.ask()


@pytest.mark.parametrize(("tenant", "channel"), [("other", "*"), ("acme", "sms"), ("*", "sharing")])
def test_it_leaves_alone_what_it_does_not_cover(mailer, tenant, channel):
    mailer.control(encode_stop(tenant, channel, ON))
    assert mailer.ask()


def test_the_wider_switch_stays_on_when_the_narrower_goes_off(mailer):
    mailer.control(encode_stop("*", "email", ON), encode_stop("acme", "email", ON), encode_stop("acme", "email", OFF))
    assert mailer.ask().reasons == ("stopped",)


@pytest.mark.parametrize("value", [None, b"", b"{}", b'{"stopped": false}'])
def test_a_switch_that_cannot_be_read_is_on(mailer, value):
    mailer.control((encode_stop("acme", "email", ON)[0], value))
    assert mailer.ask().reasons == ("stopped",)
    assert mailer.reading.alarms == {"bad_stop": 1}


def test_it_comes_first_and_hides_nothing(mailer):
    mailer.control(encode_stop("acme", "email", ON))
    assert mailer.ask(scope="offers").reasons == ("stopped", "no_consent")
    assert mailer.ask(email="no address").reasons == ("bad_address",)
    mailer.pass_time(LIMIT + 1)
    assert mailer.ask().reasons == ("stopped", "stale")


def test_a_switch_that_nobody_can_have_heard_of_makes_stale(mailer):
    """The list is fresh all the time, but the topic in which the switch stands cannot be read."""
    mailer.pass_time(LIMIT)
    mailer.beats(control_read=False)
    verdict = mailer.ask()
    assert verdict
    assert verdict.staleness == LIMIT
    assert verdict.valid_until == mailer.wall
    mailer.pass_time(1 / SECOND)
    mailer.beats(control_read=False)
    assert mailer.ask().reasons == ("stale",)
    mailer.beats()
    assert mailer.ask()


def test_a_session_that_has_not_read_the_switches_does_not_answer():
    mailer = Mailer()
    mailer.reading.caught_up()
    mailer.beats(control_read=False)
    mailer.rows((ANAS, entry(grant())))
    assert mailer.ask(email=ANA).reasons == ("stale",)
    mailer.reading.control_proven(mailer.steady)
    assert mailer.ask(email=ANA)
