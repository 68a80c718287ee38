"""Scenario files, the law as data (WIRE §4): read whole, refused whole when anything in them is not understood.

A typing mistake in a scenario must not pass for a rule that holds, so unknown fields are refused too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from consent_stream.domain.events import CODES
from consent_stream.domain.facts import REASONS
from consent_stream.domain.nodes import CHANNELS, valid_scope
from consent_stream.domain.policy import Policy, PolicyError, read_policy
from consent_stream.domain.times import parse_instant

Orders = Literal["given", "all"]


class ScenarioError(ValueError):
    """A scenario file that is malformed: one line naming file, scenario and field, and no content of the file."""


@dataclass(frozen=True, slots=True, repr=False)
class Arrival:
    """A record of `consent.events`. received: its append time in microseconds. id: of its event, or empty."""

    received: int
    value: bytes
    id: str


@dataclass(frozen=True, slots=True, repr=False)
class Expectation:
    """A question, and the answer it must get. at: microseconds. address: as written. reasons: all of them, in order."""

    at: int
    at_text: str
    tenant: str
    channel: str
    address: str
    region: str | None
    contact: str | None
    purpose: str
    scope: str
    allow: bool
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.purpose}:{self.channel}:{self.scope} at {self.at_text}"


@dataclass(frozen=True, slots=True, repr=False)
class Scenario:
    """One scenario. policy_table: what `policy` was read from. quarantined: {event id: code}."""

    name: str
    policy: Policy
    policy_table: Mapping[str, Any]
    arrivals: tuple[Arrival, ...]
    orders: Orders
    expect: tuple[Expectation, ...]
    quarantined: Mapping[str, str]


def read_scenarios(path: Path) -> list[Scenario]:
    """All scenarios of a file: one object, or a list of them.

    Errors: `ScenarioError` for anything malformed; `OSError` when the file cannot be read.
    """
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except _Fault as fault:
        raise ScenarioError(f"{path}: {fault}") from None
    except (ValueError, RecursionError) as error:
        why = f"{error.msg} at line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "not readable"
        raise ScenarioError(f"{path}: no JSON: {why}") from None
    entries = content if isinstance(content, list) else [content]
    if not entries:
        raise ScenarioError(f"{path}: an empty list; at least one scenario is expected")
    found = []
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        called = f"scenario {name!r}" if isinstance(name, str) and name else f"scenario {number}"
        try:
            found.append(_scenario(entry))
        except _Fault as fault:
            raise ScenarioError(f"{path}: {called}: {fault}") from None
    return found


class _Fault(Exception):
    """What is wrong, starting with the path of the field."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice and keeps the last; in a law that would silently drop half of a table."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise _Fault("a name stands twice in one JSON object")
    return table


def _no_constant(_: str) -> Any:
    raise _Fault("NaN and Infinity are no JSON")


def _scenario(entry: object) -> Scenario:
    table = _table(entry, "scenario", needed=("name", "policy", "events", "expect"), free=("orders", "quarantined"))
    try:
        policy = read_policy(table["policy"])
    except PolicyError as error:
        raise _Fault(f"policy: {error}") from None
    orders = table.get("orders", "given")
    if orders not in ("given", "all"):
        raise _Fault('orders: "given" or "all" is expected')
    quarantined = table.get("quarantined", {})
    if not isinstance(quarantined, dict):
        raise _Fault("quarantined: an object {event id: code} is expected")
    for ident, code in quarantined.items():
        if code not in CODES:
            raise _Fault(f"quarantined.{ident}: a code is expected: {', '.join(CODES)}")
    return Scenario(
        _text(table, "name", "name"),
        policy,
        table["policy"],
        tuple(_arrival(each, f"events[{i}]") for i, each in enumerate(_list(table, "events"))),
        orders,
        tuple(_expectation(each, f"expect[{i}]") for i, each in enumerate(_list(table, "expect"))),
        quarantined,
    )


def _arrival(entry: object, where: str) -> Arrival:
    table = _table(entry, where, needed=("received", "event"))
    event = table["event"]
    if not isinstance(event, dict):
        raise _Fault(f"{where}.event: an object is expected")
    ident = event.get("id")
    return Arrival(
        _instant(table, "received", f"{where}.received"),
        json.dumps(event).encode(),
        ident if isinstance(ident, str) else "",
    )


def _expectation(entry: object, where: str) -> Expectation:
    needed = ("at", "tenant", "channel", "purpose", "scope", "allow", "reasons")
    table = _table(entry, where, needed, free=("email", "phone", "region", "contact"))
    channel = table["channel"]
    if channel not in CHANNELS:
        raise _Fault(f"{where}.channel: one of {', '.join(CHANNELS)} is expected")
    named = [field for field in ("email", "phone") if table.get(field) is not None]
    if named != ["email" if channel == "email" else "phone"]:
        raise _Fault(f"{where}: exactly one address is expected, of channel {channel}")
    if not valid_scope(table["scope"]):
        raise _Fault(f"{where}.scope: a scope is expected")
    if not isinstance(table["allow"], bool):
        raise _Fault(f"{where}.allow: true or false is expected")
    reasons = table["reasons"]
    if not isinstance(reasons, list) or not all(reason in REASONS for reason in reasons):
        raise _Fault(f"{where}.reasons: a list of reasons is expected: {', '.join(REASONS)}")
    if table["allow"] == bool(reasons):
        raise _Fault(f"{where}.reasons: some are expected exactly when allow is false")
    at = _instant(table, "at", f"{where}.at")
    return Expectation(
        at,
        table["at"],
        _text(table, "tenant", f"{where}.tenant"),
        channel,
        _text(table, named[0], f"{where}.{named[0]}", empty=True),
        _optional_text(table, "region", f"{where}.region"),
        _optional_text(table, "contact", f"{where}.contact"),
        _text(table, "purpose", f"{where}.purpose"),
        table["scope"],
        table["allow"],
        tuple(reasons),
    )


def _table(entry: object, where: str, needed: tuple[str, ...], free: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise _Fault(f"{where}: an object is expected")
    for field in needed:
        if field not in entry:
            raise _Fault(f"{where}.{field}: is missing")
    for field in entry:
        if field not in needed and field not in free:
            raise _Fault(f"{where}.{field}: unknown field; known are {', '.join((*needed, *free))}")
    return entry


def _list(table: Mapping[str, Any], field: str) -> list[Any]:
    value = table[field]
    if not isinstance(value, list):
        raise _Fault(f"{field}: a list is expected")
    return value


def _text(table: Mapping[str, Any], field: str, where: str, empty: bool = False) -> str:
    value = table[field]
    if not isinstance(value, str) or not (value or empty):
        raise _Fault(f"{where}: text is expected")
    return value


def _optional_text(table: Mapping[str, Any], field: str, where: str) -> str | None:
    return None if table.get(field) is None else _text(table, field, where)


def _instant(table: Mapping[str, Any], field: str, where: str) -> int:
    instant = parse_instant(table[field])
    if instant is None:
        raise _Fault(f"{where}: an RFC 3339 time with a zone is expected")
    return instant
