"""How a person stands, as the edge's own gates answer. An address comes in a body and in no URL: those get logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson
from aiohttp import web

from consent_stream.domain.nodes import ANY, CHANNELLESS
from consent_stream.edge.intent.keys import ApiKey
from consent_stream.edge.tokens import Link
from consent_stream.gate import Gate, Question, Verdict
from consent_stream.http.problems import NO_STORE, Problem

TEXTS = {  # characters at most
    "tenant": 256,
    "token": 4096,
    "email": 1024,
    "phone": 256,
    "key": 256,
    "contact": 1024,
    "region": 16,
    "channel": 16,
}
ADDRESSES = ("email", "phone", "key")
PERSONAL = ("email", "phone", "contact")
ASKS = {"purpose": 64, "scope": 1024, "channel": 16}
MOST = 100  # questions in one request
USUAL = ({"purpose": "marketing"}, {"purpose": "sharing"}, {"purpose": "profiling"})
GAPS = frozenset(("not_ready", "stale"))  # reasons that say nothing of the person
SOON = {"Retry-After": "1"}


def read_body(body: bytes) -> dict[str, Any]:
    """The fields of a POST. Errors: Problem `not-json`, `bad-question`."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("not-json", f"line {error.lineno}, column {error.colno}") from None
    if not isinstance(found, dict):
        raise Problem("bad-question", "an object is expected")
    asked = found.pop("questions", list(USUAL))
    if not isinstance(asked, list) or not 0 < len(asked) <= MOST or not all(isinstance(each, dict) for each in asked):
        raise Problem("bad-question", f"a list of 1 to {MOST} questions is expected", field="/questions")
    questions = [_texts(each, ASKS, f"/questions/{number}") for number, each in enumerate(asked)]
    return {**_texts(found, TEXTS, ""), "questions": questions}


def read_query(query: Mapping[str, str]) -> dict[str, Any]:
    """The fields of a GET: one question, or the usual ones. Errors: Problem `bad-question`."""
    for name in PERSONAL:
        if name in query:
            raise Problem("bad-question", "an address in a URL gets logged: POST it as JSON", field=f"/{name}")
    given = {name: value for name, value in query.items() if name not in ("purpose", "scope")}
    one = {name: value for name, value in query.items() if name in ("purpose", "scope")}
    asked = [_texts(one, ASKS, "")] if one else [dict(each) for each in USUAL]
    return {**_texts(given, {name: TEXTS[name] for name in ("tenant", "key", "channel")}, ""), "questions": asked}


def _texts(found: Mapping[str, Any], known: Mapping[str, int], where: str) -> dict[str, Any]:
    for name, value in found.items():
        if name not in known:
            shown = name if name.isascii() and name.isidentifier() and len(name) <= 64 else "-"
            raise Problem("bad-question", "no such field", field=f"{where}/{shown}")
        if not isinstance(value, str) or len(value) > known[name]:
            raise Problem("bad-question", f"a text of at most {known[name]} characters", field=f"{where}/{name}")
    return dict(found)


def of_key(key: ApiKey, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whom an API key asks about. Errors: Problem `bad-question`."""
    tenant = asked.get("tenant", key.only_tenant)
    if tenant is None or not key.may(tenant):
        raise Problem("bad-question", "a tenant that this key speaks for is needed", field="/tenant")
    named = [name for name in ADDRESSES if name in asked]
    if len(named) != 1:
        raise Problem("bad-question", "name exactly one of email, phone and key", field=f"/{(named or ADDRESSES)[-1]}")
    about = {name: asked[name] for name in (*named, "contact", "region") if name in asked}
    return {"tenant": tenant, **about, "channel": asked.get("channel", "sms" if named == ["phone"] else "email")}


def of_link(link: Link, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Whom a link is about. Errors: Problem `bad-question` where more is said of it than the link does."""
    for name in asked:
        if name != "questions" and name != "tenant":
            raise Problem("bad-question", "the link says whom it is about", field=f"/{name}")
    if asked.get("tenant", link.tenant) != link.tenant:
        raise Problem("bad-question", "the link is of another tenant", field="/tenant")
    return {"tenant": link.tenant, "key": link.keys[0].hex(), "channel": link.channel}


def answer(gates: Mapping[str, Gate], about: dict[str, Any], asked: Mapping[str, Any]) -> web.Response:
    """200, or 503 when one of the answers is none for want of proof. Errors: Problem `bad-question`, `not-ready`."""
    if not gates:
        raise Problem("not-ready", "this edge holds no lists", headers=SOON)
    usual = about.pop("channel")
    found = [_ask(gates, about, usual, one, number) for number, one in enumerate(asked["questions"])]
    unanswered = any(not verdict.allow and not GAPS.isdisjoint(verdict.reasons) for _, verdict in found)
    said = {"tenant": about["tenant"], "verdicts": [{**one, **_members(verdict)} for one, verdict in found]}
    return web.Response(
        body=orjson.dumps(said),
        status=503 if unanswered else 200,
        content_type="application/json",
        headers={**NO_STORE, **(SOON if unanswered else {})},
    )


def _ask(
    gates: Mapping[str, Gate], about: Mapping[str, Any], usual: str, one: Mapping[str, str], number: int
) -> tuple[dict[str, str], Verdict]:
    """One question, told whole, and its verdict. Sharing and profiling stand on a list of their own (WIRE §3)."""
    purpose, scope = one.get("purpose", "marketing"), one.get("scope", ANY)
    channel = "sharing" if purpose in CHANNELLESS else one.get("channel", usual)
    if channel not in gates:
        raise Problem("bad-question", f"of {', '.join(gates)}", field=f"/questions/{number}/channel")
    question = Question(**about, purpose=purpose, scope=scope)
    try:
        (verdict,) = gates[channel].check_many((question,))
    except ValueError:  # an address of another channel
        raise Problem("bad-question", "that list has no such addresses", field=f"/questions/{number}/channel") from None
    return {"purpose": purpose, "channel": ANY if purpose in CHANNELLESS else channel, "scope": scope}, verdict


def _members(verdict: Verdict) -> dict[str, Any]:
    found = asdict(verdict)
    return {("staleness_s" if name == "staleness" else name): value for name, value in found.items()}
