"""A JSON body becomes questions. Pure. What a gate answers by itself (a bad address, an unknown purpose) passes."""

from __future__ import annotations

from typing import Any

import orjson

from consent_stream.domain.times import FAR, parse_instant
from consent_stream.gate import Question
from consent_stream.http.problems import Problem

# Characters: gates remember recent questions, and 65,536 of them must not fill the memory. No address is longer.
TEXTS = {
    "tenant": 256,
    "email": 1024,
    "phone": 256,
    "key": 256,
    "contact": 1024,
    "region": 16,
    "purpose": 64,
    "scope": 1024,
    "channel": 64,
}
ADDRESSES = ("email", "phone", "key")
EARLIEST = -62_135_596_800_000_000  # 0001-01-01, as far back as RFC 3339 goes
SHOWN = 64  # characters of a field's name that is none
Asked = tuple[str, Question]


def read_body(body: bytes, channels: tuple[str, ...], most: int) -> Asked | list[Asked | Problem]:
    """One question with the channel of the gate to ask, or a batch of them, a malformed one as its problem.

    channels: of the gates there are. most: questions in a batch.
    Errors: Problem `not-json`, `bad-question` of a single one or of the batch itself, `too-large`.
    """
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("not-json", f"line {error.lineno}, column {error.colno}") from None
    if type(found) is not dict:
        raise Problem("bad-question", 'an object is expected: a question, or {"questions": […]}')
    if "questions" not in found:
        return read_question(found, channels)
    batch = found["questions"]
    if type(batch) is not list:
        raise Problem("bad-question", "a list of questions is expected", field="questions")
    for name in found:
        if name != "questions":
            raise Problem("bad-question", "no such field beside questions", field=_shown(name))
    if len(batch) > most:
        raise Problem("too-large", f"{len(batch)} questions; at most {most} in one request", field="questions")
    return [_one_of_many(each, channels) for each in batch]


def _shown(name: str) -> str:
    """An unknown field's name, unless it can be an address that got into the wrong place: mailers log our answers."""
    return name[:SHOWN] if name.isascii() and name.isidentifier() else "(not a word)"


def read_question(found: Any, channels: tuple[str, ...]) -> Asked:
    """One question and its channel. A field that is null counts as not given. Errors: Problem `bad-question`."""
    if type(found) is not dict:
        raise Problem("bad-question", "a question is an object")
    given: dict[str, Any] = {}
    for name, value in found.items():
        if value is None and (name in TEXTS or name == "at"):
            continue
        if name == "at":
            given[name] = _instant(value)
        elif (longest := TEXTS.get(name)) is None:
            raise Problem("bad-question", "no such field", field=_shown(name))
        elif type(value) is not str:
            raise Problem("bad-question", "a string is expected", field=name)
        elif len(value) > longest:
            raise Problem("bad-question", f"at most {longest} characters", field=name)
        else:
            given[name] = value
    if "tenant" not in given:
        raise Problem("bad-question", "on whose behalf? It is needed", field="tenant")
    _one_address(given)
    return _channel(given, channels), Question(**given)


def _one_of_many(found: Any, channels: tuple[str, ...]) -> Asked | Problem:
    try:
        return read_question(found, channels)
    except Problem as problem:
        return problem


def _one_address(given: dict[str, Any]) -> None:
    named = [name for name in ADDRESSES if name in given]
    if len(named) != 1:
        field = named[1] if named else "email"
        raise Problem("bad-question", "name exactly one of email, phone and key", field=field)


def _channel(given: dict[str, Any], channels: tuple[str, ...]) -> str:
    """The list to look into, as `consent-stream check` chooses it: sms for a phone, else email."""
    channel: str = given.pop("channel", "sms" if "phone" in given else "email")
    if channel not in channels:
        raise Problem("bad-question", f"this sidecar has the channels {', '.join(channels)}", field="channel")
    return channel


def _instant(value: Any) -> int:
    if type(value) is int and EARLIEST <= value <= FAR:  # type(): True is an int to isinstance
        return value
    instant = parse_instant(value)
    if instant is None:
        raise Problem("bad-question", "microseconds, or an RFC 3339 time with a zone, is expected", field="at")
    return instant
