"""A made-up population and what it does: seeded `consent.events` as forms, mailers, gateways and a CRM send them.

People are fictional: mail domains are those of RFC 2606, phone numbers the 555-0100 … 555-0199 of the North American
plan, which no one has. Half of the events fall on a few busy people (Zipf, exponent 0.9), half on anyone; 5 % are
redeliveries, 0.5 % are garbage. The busiest person gets about one event in a hundred.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate
from typing import Any

import orjson
import phonenumbers

SEED = 11
TENANTS = 20
PROGRAMS = ("news", "news/weekly", "news/daily", "offers", "offers/summer", "events", "product", "*")
PARTNERS = ("partners", "partners/acme-data", "partners/adlane")
TEXTS = ("STOP", "Stop", "stop all", "START", "unstop", "HELP", "please remove me", "ok thanks",
         "why do you keep sending this to me, stop it now")  # fmt: skip
TEXT_WEIGHTS = (40, 20, 5, 15, 2, 6, 4, 5, 3)
DAYS = 30  # events happened within so many days before they are sent

POLICY = f"""\
# Policy of the benchmark's {TENANTS} tenants.
[sources."/forms"]
clock = "ours"
max_evidence = "E4"
tenants = ["*"]
[sources."/mailer"]
clock = "signed"
max_evidence = "E3"
tenants = ["*"]
[sources."/sms"]
clock = "ours"
max_evidence = "E3"
tenants = ["*"]
[sources."/crm"]
clock = "dated"
max_evidence = "E1"
tenants = ["*"]
""" + "".join(
    f"""\
[tenants.t{number}]
sms_program = "alerts"
sms_notice = {{ id = "n1", version = 3 }}
[[notices.t{number}]]
id = "n1"
version = 3
sha256 = "00"
effective = "2020-01-01T00:00:00Z"
purposes = ["marketing", "sharing", "profiling", "transactional"]
"""
    for number in range(TENANTS)
)


class Person:
    """Number `n` of the population: always the same tenant, contact id, address and phone."""

    __slots__ = ("contact", "email", "phone", "tenant")

    def __init__(self, n: int) -> None:
        codes = _area_codes()
        self.tenant = f"t{n % TENANTS}"
        self.contact = f"c-{n}"
        self.email = f"person{n}@{('example.com', 'example.org', 'example.net', 'mail.example')[n % 4]}"
        self.phone = f"+1{codes[n // 100 % len(codes)]}55501{n % 100:02d}"


def records(events: int, people: int, now: datetime) -> Iterator[bytes]:
    """`events` values for `consent.events`; the same arguments give the same bytes. `now`: when they are sent."""
    rng = random.Random(SEED)
    busy = list(accumulate(rank**-0.9 for rank in range(1, people + 1)))
    kinds, weights = [kind for kind, _ in MIX], list(accumulate(weight for _, weight in MIX))
    recent: list[bytes] = []
    for number in range(events):
        roll = rng.random()
        if roll < 0.005:
            yield _garbage(rng, number)
            continue
        if roll < 0.055 and recent:
            yield rng.choice(recent)
            continue
        n = rng.choices(range(people), cum_weights=busy)[0] if rng.random() < 0.5 else rng.randrange(people)
        at = now - timedelta(seconds=rng.random() * DAYS * 86_400)
        kind = rng.choices(kinds, cum_weights=weights)[0]
        value = _envelope(number, kind(rng, Person(n), at), at)
        if len(recent) < 1_000:
            recent.append(value)
        else:
            recent[number % 1_000] = value
        yield value


# -- one function per thing that people do: (type, source, tenant, data) -----------------------------

Act = tuple[str, str, str, dict[str, Any]]
NOTICE = {"id": "n1", "version": 3}
DELIVERIES = (("delivery.bounced", "5.1.1"), ("delivery.bounced", "4.2.2"), ("delivery.succeeded", "2.0.0"))


def _mailbox(who: Person) -> dict[str, Any]:
    return {"email": who.email, "channel": "email"}


def _granted(rng: random.Random, who: Person, at: datetime) -> Act:
    scope = rng.choice(PROGRAMS)
    data = {"email": who.email, "channel": "email", "purpose": "marketing", "scope": scope, "notice": NOTICE,
            "evidence": rng.choice(("E2", "E3", "E3"))}  # fmt: skip
    if rng.random() < 0.5:
        data["contact"] = who.contact
    if rng.random() < 0.3:
        data["names"] = [f"marketing:email:{scope}", "marketing:email:*"]
    return rng.choice(("consent.granted", "consent.granted", "consent.confirmed")), "/forms", who.tenant, data


def _unsubscribed(rng: random.Random, who: Person, at: datetime) -> Act:
    kind = rng.choice(("unsubscribe.oneclick", "unsubscribe.oneclick", "unsubscribe.link", "unsubscribe.mailto"))
    data = {
        "email": who.email,
        "channel": "email",
        "scope": rng.choice(PROGRAMS),
        "message_id": f"m-{rng.random():.9f}",
    }
    return kind, "/mailer", who.tenant, data


def _withdrawn(rng: random.Random, who: Person, at: datetime) -> Act:
    data = {"contact": who.contact, "channel": "email", "scope": rng.choice(PROGRAMS)}
    if rng.random() < 0.7:
        data["email"] = who.email
    return "consent.withdrawn", "/forms", who.tenant, data


def _preferences(rng: random.Random, who: Person, at: datetime) -> Act:
    topics = {scope: rng.random() < 0.5 for scope in rng.sample(PROGRAMS[:-1], rng.randint(1, 3))}
    data = {"contact": who.contact, "email": who.email, "channel": "email", "topics": topics, "notice": NOTICE,
            "evidence": "E3"}  # fmt: skip
    return "preference.set", "/forms", who.tenant, data


def _texted(rng: random.Random, who: Person, at: datetime) -> Act:
    text = rng.choices(TEXTS, TEXT_WEIGHTS)[0]
    return "sms.inbound", "/sms", who.tenant, {"phone": who.phone, "text": text, "program": "alerts"}


def _shared(rng: random.Random, who: Person, at: datetime) -> Act:
    kind = rng.choice(("sharing.optin", "sharing.optin_confirmed", "sharing.optout", "sharing.optout"))
    data = {"contact": who.contact, "email": who.email, "channel": "email", "scope": rng.choice(PARTNERS),
            "notice": NOTICE}  # fmt: skip
    return kind, "/forms", who.tenant, data


def _left(rng: random.Random, who: Person, at: datetime) -> Act:
    kind = rng.choice(("unsubscribe.global", "unsubscribe.global", "objection.direct_marketing"))
    return kind, "/forms", who.tenant, rng.choice(({"email": who.email}, {"contact": who.contact, "email": who.email}))


def _imported(rng: random.Random, who: Person, at: datetime) -> Act:
    data = {"email": who.email, "channel": "email", "scope": "news", "date": f"{at:%Y-%m-%d}", "method": "web form",
            "origin": "crm export", "batch": "b1", "notice": NOTICE,
            "status": rng.choice(("subscribed", "subscribed", "unsubscribed"))}  # fmt: skip
    return "import.row", "/crm", who.tenant, data


def _delivered(rng: random.Random, who: Person, at: datetime) -> Act:
    kind, status = rng.choice(
        (("delivery.bounced", "5.1.1"), ("delivery.bounced", "4.2.2"), ("delivery.succeeded", "2.0.0"))
    )
    return kind, "/mailer", who.tenant, {"email": who.email, "channel": "email", "status": status}


def _complained(rng: random.Random, who: Person, at: datetime) -> Act:
    return (
        "feedback.complaint",
        "/mailer",
        who.tenant,
        {"email": who.email, "channel": "email", "feedback_type": "abuse"},
    )


MIX: tuple[tuple[Callable[[random.Random, Person, datetime], Act], int], ...] = (
    (_granted, 30),
    (_unsubscribed, 22),
    (_preferences, 15),
    (_texted, 10),
    (_imported, 6),
    (_withdrawn, 5),
    (_shared, 5),
    (_delivered, 4),
    (_left, 2),
    (_complained, 1),
)


def _envelope(number: int, act: Act, at: datetime) -> bytes:
    kind, source, tenant, data = act
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": f"e{number:012d}",
            "source": source,
            "type": f"org.example.{kind}.v1",
            "time": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "tenant": tenant,
            "datacontenttype": "application/json",
            "data": data,
        }
    )


def _garbage(rng: random.Random, number: int) -> bytes:
    return rng.choice(
        (
            b"not json at all",
            b'{"specversion":"1.0","id":"g%d","source":"/forms","type":"no.such.type.v1","tenant":"t1",'
            b'"time":"2026-01-01T00:00:00Z","data":{"email":"a@example.com"}}' % number,
            b'{"specversion":"1.0","id":"g%d","source":"/forms","type":"consent.withdrawn.v1","tenant":"t1",'
            b'"time":"2026-01-01T00:00:00Z","data":{}}' % number,
        )
    )


@cache
def _area_codes() -> tuple[int, ...]:
    """Those under which libphonenumber calls a 555 number valid."""
    numbers = ((code, phonenumbers.parse(f"+1{code}5550100")) for code in range(201, 990))
    return tuple(code for code, number in numbers if phonenumbers.is_valid_number(number))


def instant() -> datetime:
    """Now, to the second: pass one value to all calls that must give the same bytes."""
    return datetime.now(UTC).replace(microsecond=0)
