"""A fact that comes back to the process that wrote it is the fact that was written."""

import pytest

from consent_stream.domain.facts import EMAIL, Fact, Restriction
from consent_stream.domain.nodes import node
from consent_stream.topology import echo
from consent_stream.topology.echo import Echo
from consent_stream.wire.avro import WireError
from consent_stream.wire.ledger import decode_fact

KEY = b"\x01a\x00" + bytes(16)


def fact(ident: str, key: bytes = KEY) -> Fact:
    part = Restriction("unsubscribed", node("marketing", "email", "news"), False, 7, ident, "/edge", "unsubscribe.link")
    return Fact(key, EMAIL, "acme", ident, "/edge", "unsubscribe.link", 8, 0, 1, False, (part,))


@pytest.mark.parametrize("heard", [True, False])
def test_what_comes_back_is_what_was_written(heard):
    ours = Echo(heard)
    value = ours.encode(fact("a"))
    assert decode_fact(KEY, value) == fact("a")
    assert ours.decode(KEY, value) == fact("a")
    assert ours.decode(KEY, value) == fact("a"), "read again after a restart of the partition"


def test_the_same_bytes_under_another_key_are_another_fact():
    ours = Echo()
    value = ours.encode(fact("a"))
    other = KEY[:-1] + b"\1"
    assert ours.decode(other, value) == fact("a", other)


def test_facts_of_others_are_decoded_and_garbage_is_refused():
    assert Echo().decode(KEY, Echo().encode(fact("b"))) == fact("b")
    with pytest.raises(WireError):
        Echo().decode(KEY, b"garbage")


def test_memory_is_bounded_by_bytes(monkeypatch):
    size = len(Echo().encode(fact("e00")))
    monkeypatch.setattr(echo, "REMEMBERED", 10 * size)
    ours = Echo()
    values = [ours.encode(fact(f"e{i:02d}")) for i in range(35)]
    assert len(ours._recent) + len(ours._older) <= 20
    assert [ours.decode(KEY, value).id for value in values] == [f"e{i:02d}" for i in range(35)]
