"""The people of the story, what they send, and what can be asked about them. All are made up (RFC 2606, 555-01xx)."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

TENANT = "acme"
NOTICE = {"id": "signup", "version": 1}
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, repr=False)
class Person:
    """Somebody with a name to show, a contact id of the tenant's, and addresses that are never shown."""

    name: str
    email: str
    phone: str

    @property
    def contact(self) -> str:
        """The tenant's own id for this person."""
        return f"c-{self.name.lower()}"

    def __repr__(self) -> str:
        return f"Person({self.name})"


def _person(name: str, number: int) -> Person:
    return Person(name, f"{name.lower()}@example.com", f"+120155501{number:02d}")


ANA, BEN, CLEO, DAN, EVA, FINN, GUS, HANA, IVY, JO, LEO, NIA = (
    _person(name, number)
    for number, name in enumerate(
        ("Ana", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana", "Ivy", "Jo", "Leo", "Nia"), 10
    )
)
MANY = tuple(_person(f"Many{number}", 30 + number) for number in range(10))  # those who all unsubscribe in act 2


@dataclass(frozen=True, slots=True)
class Question:
    """May this be sent? What a mailer asks its gate; `who` is shown, the address is not.

    contact: None asks by the address alone, as a mailer does that has nothing else.
    """

    who: str
    channel: str
    address: str
    scope: str
    purpose: str = "marketing"
    tenant: str = TENANT
    contact: str | None = None

    def __repr__(self) -> str:
        return f"Question({self})"

    def __str__(self) -> str:
        at = "" if self.tenant == TENANT else f" from {self.tenant}"
        what = {"sharing": f"hand on to {self.scope}", "transactional": "parcel notice"}.get(self.purpose, self.scope)
        return f"{what} by {self.channel}{at}" if self.purpose != "sharing" else what

    def to_json(self) -> dict[str, Any]:
        """The question as a mailer process reads it."""
        return asdict(self)


def mail(person: Person, scope: str, **more: Any) -> Question:
    """A question about an e-mail to this person."""
    return Question(person.name, "email", person.email, scope, **more)


def text(person: Person, scope: str, **more: Any) -> Question:
    """A question about a text message to this person."""
    return Question(person.name, "sms", person.phone, scope, **more)


def ago(**how_long: float) -> datetime:
    """The instant so long before now."""
    return datetime.now(UTC) - timedelta(**how_long)


def event(type_: str, source: str, data: dict[str, Any], at: datetime | None = None, tenant: str = TENANT) -> bytes:
    """A CloudEvent as a record of `consent.events`; `at` is now unless told."""
    return json.dumps(
        {
            "specversion": "1.0",
            "id": f"demo-{next(_numbers)}",
            "source": source,
            "type": f"{type_}.v1",
            "time": (at or ago()).isoformat(),
            "tenant": tenant,
            "datacontenttype": "application/json",
            "data": data,
        }
    ).encode()


def signed_up(person: Person, scope: str, channel: str = "email", at: datetime | None = None, **more: Any) -> bytes:
    """A form, filled in by the person, the notice shown, the address proven (E3)."""
    address = {"email": person.email} if channel == "email" else {"phone": person.phone}
    tenant = more.pop("tenant", TENANT)
    data = {
        "contact": person.contact,
        **address,
        "channel": channel,
        "scope": scope,
        "notice": NOTICE,
        "evidence": "E3",
    }
    return event("consent.granted", "/forms/signup", data | more, at or ago(days=20), tenant)


def one_click(person: Person, scope: str) -> bytes:
    """The mail client's unsubscribe button (RFC 8058): it knows the address and the message, nothing else."""
    data = {"email": person.email, "channel": "email", "scope": scope, "message_id": "<m1@mail.example>"}
    return event("unsubscribe.oneclick", "/unsubscribe", data)


def texted(person: Person, words: str) -> bytes:
    """A text message from this person's phone."""
    return event("sms.inbound", "/sms/inbound", {"phone": person.phone, "text": words})


def imported(person: Person, status: str, **more: Any) -> bytes:
    """A row of a file from a CRM; its date is all the time there is."""
    at = ago(days=90)
    proof = {"date": at.date().isoformat(), "method": "web form", "origin": "old-crm", "batch": "b-7"}
    data = {"email": person.email, "channel": "email", "scope": "news", "status": status, **proof, **more}
    return event("import.row", "/crm/import", data, at)


def opening() -> list[bytes]:
    """What is known of everybody when the curtain rises."""
    return [
        signed_up(ANA, "news"),
        signed_up(ANA, "offers"),
        signed_up(ANA, "news", tenant="globex"),
        signed_up(BEN, "news"),
        signed_up(CLEO, "deals", "sms"),
        signed_up(CLEO, "news"),
        signed_up(DAN, "news", at=ago(days=120)),
        imported(DAN, "unsubscribed"),
        signed_up(EVA, "offers"),
        signed_up(EVA, "deals", "sms"),
        signed_up(FINN, "news"),
        event(
            "sharing.optin_confirmed",
            "/forms/signup",
            {"email": FINN.email, "contact": FINN.contact, "channel": "email", "scope": "partners", "notice": NOTICE},
            ago(days=3),
        ),
        imported(GUS, "subscribed", notice=NOTICE),
        event("preference.set", "/preferences", _preferences(IVY), ago(days=2)),
        signed_up(JO, "news"),
        event("delivery.bounced", "/mta", {"email": JO.email, "channel": "email", "status": "5.1.1"}, ago(days=1)),
        signed_up(LEO, "news"),
        *(signed_up(each, "news") for each in MANY),
    ]


def _preferences(person: Person) -> dict[str, Any]:
    topics = {"news/weekly": False, "news/launches": True}
    return {"email": person.email, "contact": person.contact, "channel": "email", "topics": topics, "notice": NOTICE}


def garbage() -> list[tuple[bytes, str]]:
    """Records that are not understood, and the code under which each must stand in quarantine."""
    mailbox = {"email": HANA.email, "channel": "email"}
    form = {**mailbox, "scope": "news"}
    return [
        (b"unsubscribe me!!1", "not_cloudevent"),
        (b"\x00\x00\x00\x00\x07\x02hi", "not_cloudevent"),
        (b'{"specversion":"1.0","id":"g1","source":"/x","type":"unsubscribe.link.v1"', "not_cloudevent"),
        (event("unsubscribe.link", "/unsubscribe", form, tenant=""), "no_tenant"),
        (event("coffee.ordered", "/forms/signup", form), "unknown_type"),
        (event("unsubscribe.link", "/unsubscribe", {"channel": "email"}), "no_subject"),
        (event("consent.granted", "/some/blog", {**form, "notice": NOTICE}), "unknown_source"),
        (event("consent.granted", "/forms/signup", form), "no_notice"),
        (
            event("consent.granted", "/forms/signup", {**form, "notice": {"id": "signup", "version": 9}}),
            "unknown_notice",
        ),
        (event("consent.granted", "/forms/signup", {**form, "notice": NOTICE}, ago(days=-400)), "future_time"),
        (event("consent.granted", "/forms/signup", {**form, "email": "hana at home", "notice": NOTICE}), "bad_address"),
        (event("admin.lift", "/forms/signup", {**mailbox, "node": "*:*:*", "kind": "legal"}), "needs_two_people"),
        (b"[" * 300_000, "too_large"),
    ]
