"""`consent.control`: what every reader must know besides the lists. One record per name, the newest stands (compacted).

The worker writes both records when it starts; a gate that has not read them is not ready. JSON, so that on-call can
read the topic and a mailer in another language needs no schema for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from consent_stream.domain.policy import Policy, PolicyError, read_policy
from consent_stream.wire.avro import WireError

POLICY = b"policy"  # {"tenants": …}: the table of that name in the policy file
PARTITIONS = b"partitions"  # {"events": P, "ledger": Q}
KEYS = b"keys"  # {kid: fingerprint} of the root keys that the newest worker writes with
TOPICS = b"topics"  # {name: topic id} of ledger, state and lists, which belong together
ACTIVE = b"generation"  # {"active": N, …}: whose lists the gates obey

# A rebuild fills topics of its own, perhaps by another policy, and says so under names of its own.
OF_A_GENERATION = frozenset((POLICY, PARTITIONS, KEYS, TOPICS))


class Partitions(NamedTuple):
    """How many partitions there are; `ledger` is also the count of the state and of every suppression topic."""

    events: int
    ledger: int


class Active(NamedTuple):
    """Whose lists the gates obey. by, reason, at (µs): for on-call; `consent.audit` has every change."""

    generation: int
    by: str
    reason: str
    at: int


FIRST = Active(0, "", "", 0)


def named(name: bytes, generation: int) -> bytes:
    """The key under which a generation's record of that name stands; the first one's has the plain name."""
    return name + b".g%d" % generation if generation and name in OF_A_GENERATION else name


def encode_active(active: Active) -> tuple[bytes, bytes]:
    """Key and value of the record that tells which generation the gates obey."""
    return ACTIVE, orjson.dumps(active._asdict())


def encode_active_audit(active: Active) -> bytes:
    """What `consent.audit` keeps of a switch, for years and in order."""
    return orjson.dumps({"action": "generation.activated", **active._asdict()})


def decode_active(value: bytes | None) -> Active:
    """Errors: `WireError` when it is none."""
    table = _table(value, "generation")
    fields: list[Any] = [table.get(name) for name in Active._fields]
    active = Active(*fields)
    if [type(part) for part in active] != [int, str, str, int] or active.generation < 0:
        raise WireError("bad_generation", "a control record that names no generation")
    return active


def encode_policy(tenants: Mapping[str, Any]) -> tuple[bytes, bytes]:
    """Key and value of the record that tells readers how each tenant decides.

    Shapes: `tenants` is the table of that name in the policy file, as it was read (RULES §9). Equal tables make equal
    bytes. Errors: `PolicyError` when a gate could not read it.
    """
    read_policy({"tenants": tenants})
    return POLICY, orjson.dumps({"tenants": tenants}, option=orjson.OPT_SORT_KEYS)


def decode_policy(value: bytes | None) -> Policy:
    """The tenants of a policy; sources, notices and words are the worker's alone.

    Errors: `WireError` when it is none, or has a setting that this version does not know: an unknown setting may forbid
    what the known ones allow.
    """
    try:
        return read_policy({"tenants": _table(value, "policy")["tenants"]})
    except (KeyError, PolicyError) as exc:
        raise WireError("bad_policy", "a control record that is no policy") from exc


def encode_partitions(partitions: Partitions) -> tuple[bytes, bytes]:
    """Key and value of the record that tells how many partitions make a whole."""
    return PARTITIONS, orjson.dumps(partitions._asdict(), option=orjson.OPT_SORT_KEYS)


def decode_partitions(value: bytes | None) -> Partitions:
    """Errors: `WireError` when it is none."""
    table = _table(value, "partitions")
    counts = Partitions(table.get("events", 0), table.get("ledger", 0))
    if not all(type(count) is int and count > 0 for count in counts):
        raise WireError("bad_partitions", "a control record that counts no partitions")
    return counts


def encode_keys(fingerprints: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Key and value of the record that tells which root keys the lists are written with, without telling the keys."""
    return KEYS, orjson.dumps(dict(fingerprints), option=orjson.OPT_SORT_KEYS)


def decode_keys(value: bytes | None) -> dict[str, str]:
    """Errors: `WireError` when it is none."""
    return _texts(value, "keys")


def encode_topics(ids: Mapping[str, str]) -> tuple[bytes, bytes]:
    """Key and value of the record that tells which incarnations of ledger, state and lists were written together."""
    return TOPICS, orjson.dumps(dict(ids), option=orjson.OPT_SORT_KEYS)


def decode_topics(value: bytes | None) -> dict[str, str]:
    """Errors: `WireError` when it is none."""
    return _texts(value, "topics")


def _texts(value: bytes | None, name: str) -> dict[str, str]:
    table = _table(value, name)
    if not all(isinstance(text, str) for text in table.values()):
        raise WireError(f"bad_{name}", "a control record of texts that holds something else")
    return table


def _table(value: bytes | None, name: str) -> dict[str, Any]:
    try:
        table = orjson.loads(value or b"")
    except orjson.JSONDecodeError as exc:
        raise WireError(f"bad_{name}", "a control record that is not JSON") from exc
    if not isinstance(table, dict):
        raise WireError(f"bad_{name}", "a control record that is no JSON object")
    return table
