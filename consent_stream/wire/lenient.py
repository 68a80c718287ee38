"""JSON by its grammar, where the quick parser is stricter: half a character, a number too large for a double.

A STOP whose text was cut in the middle of an emoji is written `"STOP \\ud83d"`. RFC 8259 §8.2 permits it, and a
withdrawal in it must not be lost for that. Nothing behind this module meets half a character, which no text can encode.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

# These say who it is. Repaired, they could name somebody else; the domain judges them as they were sent.
_SUBJECT = frozenset(("contact", "email", "phone"))


def loads(raw: bytes) -> Any:
    """What `raw` says: halves of characters become U+FFFD, except in a subject; too large a number becomes null.

    Errors: `ValueError` when it is no JSON; `RecursionError` when it is nested too deep.
    """
    parsed = json.loads(raw.decode(), parse_constant=_refuse, parse_float=_number, parse_int=_number)
    if isinstance(parsed, list):
        return [_event(each) for each in parsed]
    return _event(parsed)


def _event(event: Any) -> Any:
    repaired = _repaired(event)
    if isinstance(event, dict) and isinstance(event.get("data"), dict):
        for name in _SUBJECT & event["data"].keys():
            repaired["data"][name] = event["data"][name]
    return repaired


def _repaired(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_repaired(name): _repaired(each) for name, each in value.items()}
    return [_repaired(each) for each in value] if isinstance(value, list) else value


def _number(text: str) -> float | int | None:
    if len(text) < 19 and text.lstrip("-").isdigit():
        return int(text)
    number = float(text)
    return number if math.isfinite(number) else None


def _refuse(_: str) -> NoReturn:
    raise ValueError("NaN and Infinity are no JSON")
