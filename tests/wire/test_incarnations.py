"""Ledger, state and lists belong together: which of them may be made anew, and which not alone."""

import pytest

from consent_stream.wire.avro import WireError
from consent_stream.wire.control import TOPICS, decode_topics, encode_topics
from consent_stream.wire.topics import LEDGER, STATE, SUPPRESSION, torn

LISTS = [topic.name for topic in SUPPRESSION.values()]
ALL = [LEDGER.name, STATE.name, *LISTS]


def after(*anew: str) -> str | None:
    known = {f"p-{name}": f"id of {name}" for name in ALL}
    found = known | {f"p-{name}": f"new id of {name}" for name in anew}
    return torn(known, found, "p-")


@pytest.mark.parametrize("anew", [(), ALL, [STATE.name], [STATE.name, LISTS[0]], [STATE.name, *LISTS]])
def test_what_is_filled_again_may_be_made_anew(anew):
    assert after(*anew) is None


@pytest.mark.parametrize("anew", [[LISTS[0]], LISTS])
def test_a_list_beside_the_old_state_would_stay_empty(anew):
    assert "would stay empty" in (after(*anew) or "")
    assert anew[0] in (after(*anew) or "")


@pytest.mark.parametrize("anew", [[LEDGER.name], [LEDGER.name, STATE.name], [LEDGER.name, *LISTS]])
def test_a_ledger_beside_old_lists_would_count_from_the_beginning(anew):
    assert "versions" in (after(*anew) or "")


def test_a_topic_that_is_gone_counts_as_made_anew():
    assert torn({"consent.ledger": "a", "consent.state": "b"}, {"consent.state": "b"}) is not None


def test_the_record_reads_as_it_was_written():
    key, value = encode_topics({"a": "1", "b": "2"})
    assert key == TOPICS
    assert decode_topics(value) == {"a": "1", "b": "2"}


@pytest.mark.parametrize("value", [None, b"", b"[]", b'{"a": 1}', b"{"])
def test_garbage_is_no_record(value):
    with pytest.raises(WireError):
        decode_topics(value)
