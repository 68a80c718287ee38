"""`consent.control`: what a worker tells, a gate reads; what is not understood is refused whole."""

import orjson
import pytest

from consent_stream.domain.policy import PolicyError, Tenant
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import (
    Partitions,
    decode_partitions,
    decode_policy,
    encode_partitions,
    encode_policy,
)


def test_a_policy_comes_back_as_it_was_and_equal_ones_are_equal_bytes():
    key, value = encode_policy({"b": {"min_evidence": "E3", "allow_migrated": True}, "a": {}})
    assert key == b"policy"
    assert orjson.loads(value) == {"tenants": {"a": {}, "b": {"allow_migrated": True, "min_evidence": "E3"}}}
    assert value == encode_policy({"a": {}, "b": {"allow_migrated": True, "min_evidence": "E3"}})[1]
    assert decode_policy(value).tenant("b") == Tenant(min_evidence=3, allow_migrated=True)


def test_partition_counts_come_back_as_they_were():
    assert encode_partitions(Partitions(8, 4)) == (b"partitions", b'{"events":8,"ledger":4}')
    assert decode_partitions(b'{"events":8,"ledger":4,"more":1}') == Partitions(8, 4)


def test_a_policy_that_no_gate_could_read_is_not_written():
    with pytest.raises(PolicyError, match="acme"):
        encode_policy({"acme": {"min_evidence": "E9"}})


@pytest.mark.parametrize(
    "value", [None, b"", b"{", b"[]", b"{}", b'{"tenants": []}', b'{"tenants": {"a": {"new": 1}}}']
)
def test_what_is_no_policy_is_refused(value):
    with pytest.raises(WireError):
        decode_policy(value)


@pytest.mark.parametrize("value", [None, b"", b"[]", b"{}", b'{"events": 1}', b'{"events": 1, "ledger": true}'])
@pytest.mark.parametrize("wrong", [b"0", b"-1", b'"1"', b"1.0"])
def test_what_counts_no_partitions_is_refused(value, wrong):
    for each in (value, b'{"events": 1, "ledger": %s}' % wrong):
        with pytest.raises(WireError):
            decode_partitions(each)
