"""What the intake would make of an event, said before it is taken: by the intake's own function.

Only what would be lost is refused. A restriction with flaws is taken (RULES §6), and so is an event in which a flawed
permission stands beside a restriction; then the answer names the flaw.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from consent_stream.domain.events import MEANINGS, qualify, told_type
from consent_stream.domain.facts import Link
from consent_stream.domain.policy import Policy
from consent_stream.domain.subjects import short_text
from consent_stream.edge.intent.reading import Flaw

# Where a code points at once. The others are found by leaving fields out.
POINTERS = {
    "no_tenant": "/tenant",
    "unknown_type": "/type",
    "unknown_source": "/source",
    "no_subject": "/data",
    "no_channel": "/data/channel",
    "no_program": "/data/program",
    "no_time": "/time",
    "future_time": "/time",
    "needs_two_people": "/data/approved_by",
    "needs_reviewer": "/data/approved_by",
    "no_notice": "/data/notice",
    "unknown_notice": "/data/notice",
}
# What such an event cannot do without, so that leaving it out tells nothing.
NEEDED = ("topics", "voids", "status", "node", "kind")
TRIED = 50  # fields that are left out, one at a time: more than any type reads, and each costs a judgement
SUBJECTS = ("email", "phone", "keys", "contact")


def judge(event: Mapping[str, Any], at: int, policy: Policy) -> Flaw | None:
    """What is wrong with a permission in an event whose restrictions are taken; None when nothing is.

    at: µs, in the place of the append time. Errors: Flaw when nothing of it would be taken.
    """
    code, kept = _judged(event, at, policy)
    if code is None:
        return None
    flaw = Flaw(code, _pointer(event, code, at, policy), MEANINGS[code] + _wanted(event, code))
    if not kept:
        raise flaw
    return flaw


def _wanted(event: Mapping[str, Any], code: str) -> str:
    """The type as it is read here, where only its version is another."""
    name = told_type(event["type"]) if code == "unknown_type" else "other"
    return "" if name == "other" else f"; {name}.v1 is the one that is read here"


def _judged(event: Mapping[str, Any], at: int, policy: Policy) -> tuple[str | None, bool]:
    """The code, and whether the event does anything beyond linking what it names."""
    facts, code, _ = qualify(event, at, (0, 0), policy, _stand_in)
    return code, any(not isinstance(part, Link) for fact in facts for part in fact.parts)


def _stand_in(tenant: str, channel: str, canonical: str) -> bytes:
    """A subject key for this one judgement: the edge need not have every tenant's key to tell a form its mistake."""
    kind = b"c" if channel == "contact" else b"a"
    return b"\x01" + kind + b"\0" + sha256(f"{tenant}\0{channel}\0{canonical}".encode()).digest()[:16]


def _pointer(event: Mapping[str, Any], code: str, at: int, policy: Policy) -> str:
    """JSON Pointer (RFC 6901) to what is to blame, as far as it can be told; the event itself where it cannot."""
    if code in POINTERS:
        return POINTERS[code]
    if code == "not_cloudevent":
        return _envelope(event)
    data = event.get("data")
    if not isinstance(data, dict):
        return "/data"
    if code == "purpose_not_in_notice" and "purpose" not in data:
        return "/data/notice"
    # Without the field to blame nothing is wrong any more; or, where it was the only subject, there is none.
    left = {name: _judged({**event, "data": _without(data, name)}, at, policy)[0] for name in list(data)[:TRIED]}
    to_blame = [name for name, code in left.items() if code is None]
    to_blame += [name for name in SUBJECTS if left.get(name) == "no_subject"]
    if to_blame:
        return f"/data/{_shown(to_blame[0])}"
    return next((f"/data/{name}" for name in NEEDED if name in data), "/data")


def _envelope(event: Mapping[str, Any]) -> str:
    if event.get("specversion") != "1.0":
        return "/specversion"
    return next((f"/{name}" for name in ("id", "source", "type") if not short_text(event.get(name))), "")


def _without(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {each: value for each, value in data.items() if each != name}


def _shown(name: str) -> str:
    """A field's name, unless it may be an address that got into the wrong place."""
    return name if name.isascii() and name.isidentifier() and len(name) <= 64 else "-"
