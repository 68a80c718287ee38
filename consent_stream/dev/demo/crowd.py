"""Everybody else: a stream of made-up people's events in the background, the same in every run but for their times."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from random import Random
from typing import Any

from consent_stream.dev.demo.cast import NOTICE, TENANT, Question, ago, event

SEED = 20_261_124
PEOPLE = 1500
AREAS = (201, 202, 212, 213, 214, 215, 216, 303, 305, 312, 313, 404, 415, 503, 512)
PROGRAMS = ("news", "offers", "events")
Said = tuple[bytes, str]  # a record, and its quarantine code or nothing


def mailbox(number: int) -> str:
    """The e-mail address of person `number`."""
    return f"person{number}@example.net"


def phone(number: int) -> str:
    """The phone of person `number`."""
    return f"+1{AREAS[number // 100 % len(AREAS)]}55501{number % 100:02d}"


def campaign() -> list[Question]:
    """A newsletter to the whole crowd, as the mailers have it on their hands."""
    return [Question(f"person {n}", "email", mailbox(n), "news") for n in range(PEOPLE)]


def crowd() -> Iterator[Said]:
    """Records without end: first everybody fills in a form, then life goes on."""
    rng = Random(SEED)
    for number in range(PEOPLE):
        yield _form(rng, number), ""
    while True:
        number = rng.randrange(PEOPLE)
        (act,) = rng.choices(_ACTS, _WEIGHTS)
        yield act(rng, number), ""
        if rng.random() < 0.01:
            yield rng.randbytes(rng.randrange(1, 60)).replace(b"\xc3\x01", b"--"), "not_cloudevent"


def _at(rng: Random) -> datetime:
    # Now and then an event was held up on its way for days: order of arrival is not order of happening.
    return ago(days=rng.random() * 30) if rng.random() < 0.1 else ago(seconds=rng.random())


def _mail(number: int, **more: Any) -> dict[str, Any]:
    return {"email": mailbox(number), "contact": f"p-{number}", "channel": "email", **more}


def _form(rng: Random, number: int) -> bytes:
    data = _mail(number, scope=rng.choice(PROGRAMS[:2]), notice=NOTICE, evidence=rng.choice(("E2", "E3")))
    return event("consent.granted", "/forms/signup", data, ago(days=31 + rng.random() * 300))


def _again(rng: Random, number: int) -> bytes:
    data = _mail(number, scope="news", notice=NOTICE, evidence="E3")
    return event("consent.confirmed", "/forms/signup", data, _at(rng))


def _one_click(rng: Random, number: int) -> bytes:
    data = {
        "email": mailbox(number),
        "channel": "email",
        "scope": rng.choice(PROGRAMS),
        "message_id": f"<{number}@mail.example>",
    }
    return event("unsubscribe.oneclick", "/unsubscribe", data, _at(rng))


def _preferences(rng: Random, number: int) -> bytes:
    topics = {f"news/{topic}": rng.random() < 0.5 for topic in ("weekly", "launches", "jobs")}
    return event("preference.set", "/preferences", _mail(number, topics=topics, notice=NOTICE), _at(rng))


def _text(rng: Random, number: int) -> bytes:
    words = rng.choice(("STOP", "Stop!", "stop please", "START", "HELP", "please do not stop", "ok, thanks"))
    data = {"phone": phone(number), "contact": f"p-{number}", "text": words}
    return event("sms.inbound", "/sms/inbound", data, _at(rng))


def _sharing(rng: Random, number: int) -> bytes:
    if rng.random() < 0.5:
        return event("signal.gpc", "/web", {"email": mailbox(number), "channel": "email", "headers": ["1"]}, _at(rng))
    return event("sharing.optin_confirmed", "/forms/signup", _mail(number, scope="partners", notice=NOTICE), _at(rng))


def _file_row(rng: Random, number: int) -> bytes:
    at = ago(days=40 + rng.randrange(300))
    proof = {"date": at.date().isoformat(), "method": "web form", "origin": "old-crm", "notice": NOTICE}
    status = rng.choice(("subscribed", "unsubscribed", "bounced", "complained"))
    return event(
        "import.row", "/crm/import", {"email": mailbox(number), "channel": "email", "status": status, **proof}, at
    )


def _bounce(rng: Random, number: int) -> bytes:
    data = {"email": mailbox(number), "channel": "email", "status": rng.choice(("5.1.1", "4.2.2", "5.1.10"))}
    return event("delivery.bounced", "/mta", data, _at(rng))


def _global(rng: Random, number: int) -> bytes:
    return event("unsubscribe.global", "/callcentre", {"contact": f"p-{number}"}, tenant=TENANT)


_ACTS = (_form, _again, _one_click, _preferences, _text, _sharing, _file_row, _bounce, _global)
_WEIGHTS = (8, 12, 30, 14, 14, 8, 6, 4, 4)
