"""The kill switch on the wire: what cannot be read stops."""

import orjson
import pytest

from consent_stream.wire.avro import WireError
from consent_stream.wire.stops import Stop, covered, decode_stop, encode_audit, encode_stop

STOP = Stop(True, "wrong template", "ana", 1_700_000_000_000_000)


@pytest.mark.parametrize("tenant", ["acme", "*", "a/b", "ä"])
@pytest.mark.parametrize("channel", ["email", "sms", "sharing", "*"])
def test_a_switch_comes_back_as_it_was(tenant, channel):
    key, value = encode_stop(tenant, channel, STOP)
    assert covered(key) == (tenant, channel)
    assert decode_stop(value) == STOP


@pytest.mark.parametrize("key", [b"policy", b"stop", b"stop/", b"stop/email", b"stop/email/", b"stop/fax/acme"])
def test_what_is_no_switch_covers_nothing(key):
    assert covered(key) is None


@pytest.mark.parametrize(("tenant", "channel"), [("", "email"), ("acme", "fax"), ("acme", "")])
def test_a_switch_for_nobody_is_not_written(tenant, channel):
    with pytest.raises(ValueError, match="one of email"):
        encode_stop(tenant, channel, STOP)


WHOLE = STOP._asdict()
WRONG = [{**WHOLE, "stopped": 0}, {**WHOLE, "at": "now"}, {**WHOLE, "by": None}, {"stopped": False}, [], None, 1]


@pytest.mark.parametrize("value", [None, b"", b"{", *map(orjson.dumps, WRONG)])
def test_what_cannot_be_read_is_refused(value):
    with pytest.raises(WireError):
        decode_stop(value)


def test_the_audit_says_who_did_what_and_why():
    assert orjson.loads(encode_audit("acme", "*", STOP)) == {
        "action": "sending.stopped", "at": STOP.at, "by": "ana", "reason": "wrong template", "tenant": "acme",
        "channel": "*",
    }  # fmt: skip
    assert orjson.loads(encode_audit("acme", "*", STOP._replace(stopped=False)))["action"] == "sending.resumed"
