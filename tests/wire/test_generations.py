"""Names of generations: what a rebuild makes anew, and what all of them share."""

import orjson
import pytest

from consent_stream.wire.avro import WireError
from consent_stream.wire.control import ACTIVE, FIRST, POLICY, Active, decode_active, encode_active, named
from consent_stream.wire.topics import CONTROL, EVENTS, LEDGER, SUPPRESSION, TOPICS


def test_the_first_generation_has_the_plain_names():
    assert [topic.full("eu-", 0) for topic in TOPICS] == [topic.full("eu-") for topic in TOPICS]
    assert named(POLICY, 0) == POLICY


def test_a_rebuild_makes_what_follows_from_the_events_and_shares_the_rest():
    again = {topic.name for topic in TOPICS if topic.full(generation=2) == topic.name + ".g2"}
    lists = {topic.name for topic in SUPPRESSION.values()}
    assert again == {LEDGER.name, "consent.state", *lists, "consent.changes", "consent.progress"}
    for shared in (EVENTS, CONTROL):
        assert shared.full("eu-", 2) == shared.full("eu-")


def test_a_generation_has_a_policy_of_its_own_and_no_switch_of_its_own():
    assert named(POLICY, 2) == b"policy.g2"
    assert named(ACTIVE, 2) == ACTIVE
    assert named(b"stop/*/*", 2) == b"stop/*/*"


def test_which_one_is_obeyed_comes_back_as_it_was():
    active = Active(3, "ana", "more partitions", 1_700_000_000_000_000)
    assert decode_active(encode_active(active)[1]) == active
    assert FIRST.generation == 0


WHOLE = Active(3, "ana", "", 1)._asdict()


@pytest.mark.parametrize(
    "value",
    [None, b"", b"3", *map(orjson.dumps, [{}, {**WHOLE, "generation": -1}, {**WHOLE, "generation": True}])],
)
def test_what_names_no_generation_is_refused(value):
    with pytest.raises(WireError):
        decode_active(value)
