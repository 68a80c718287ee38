"""Many small histories from the generator of the laws, each of people of its own, and questions about them.

Small, because a key about which everything was said is denied for ten reasons, and two readers that agree on it prove
little. The people of history `n` are those of the laws with `n` in their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import Any

import orjson

from benchmarks.population import POLICY as PEOPLES_POLICY
from benchmarks.population import PROGRAMS, Person, instant, records
from consent_stream.domain.times import parse_instant
from tests.faults.population import toml
from tests.laws.histories import CONTACTS, EMAILS, THEMES, event, picker, question
from tests.laws.histories import POLICY as LAW_POLICY

TENANTS = ["acme", "acme", "globex", "hooli", "stranger", "initech"]
TABLE: dict[str, Any] = {
    **LAW_POLICY,
    "tenants": {**LAW_POLICY["tenants"], "initech": {"basis": {"marketing": "legitimate_interest"}}},
    "notices": {**LAW_POLICY["notices"], "initech": LAW_POLICY["notices"]["acme"]},
}
POLICY = PEOPLES_POLICY + toml(TABLE)
# Decided anew by gates from rows that were written under the choices above.
STRICTER: dict[str, Any] = {
    "acme": {"min_evidence": "E3"},
    "globex": {"min_evidence": "E2", "allow_migrated": True, "basis": {"marketing": "legitimate_interest"}},
    "hooli": {"min_evidence": "E4"},
    "initech": {},
}
ASKED_PER_HISTORY = 8
# Spellings of the first address of a history that must be the same address, and one that is none.
SPELLINGS = ["ANA{n}@Example.COM", "  ana{n}@example.com\u00a0", "ana\u200b{n}@example.com.", "ana{n}@ex\uff41mple.com"]
ABROAD = ["ana{n}@b\u00fccher.example", "ana{n}@B\u00dcCHER.example", "ana{n}@xn--bcher-kva.example"]


class Asked(dict[str, Any]):
    """The arguments of `Gate.check`."""

    @property
    def line(self) -> str:
        """As a line for the reader in Java."""
        at = "" if self["at"] is None else str(self["at"])
        return "\t".join((self["tenant"], self["email"], self["contact"] or "", self["purpose"], self["scope"], at))


def of_history(n: int, value: Any) -> Any:
    """The same with the people of history `n`."""
    text = orjson.dumps(value).decode()
    text = re.sub(r"a(\.?)na(\+a)?@", lambda found: f"a{found[1]}na{n}{found[2] or ''}@", text)
    return orjson.loads(re.sub(r'"c-(\d)"', rf'"c-{n}-\1"', text))


def population(histories: int, seed: int = 1) -> Iterator[tuple[list[bytes], list[Asked]]]:
    """Of each history its events, as values for `consent.events`, and questions about its people."""
    for n in range(histories):
        pick, random = picker(seed * histories + n), Random(n)
        types, subjects = pick(THEMES)
        subjects = [each for each in subjects if each in ("email", "contact", "both")] or ["email", "email", "contact"]
        tenants = [random.choice(TENANTS)]
        arrivals = [event(pick, tenants, types, subjects) for _ in range(random.randint(1, 7))]
        asked = [_question(n, pick, random, tenants, arrivals) for _ in range(ASKED_PER_HISTORY)]
        events = [of_history(n, each["event"]) for each in arrivals]
        if n % 5 == 0:  # people of another country's mail domain
            events = [_moved(each, ABROAD[random.randrange(len(ABROAD))].format(n=n)) for each in events]
            asked = [_moved(each, ABROAD[random.randrange(len(ABROAD))].format(n=n)) for each in asked]
        yield [orjson.dumps(each) for each in events], [Asked(each) for each in asked]


def _question(n: int, pick: Any, random: Random, tenants: list[str], arrivals: list[dict[str, Any]]) -> dict[str, Any]:
    asked = of_history(n, question(pick, tenants, arrivals))
    email = asked.get("email") or of_history(n, random.choice(EMAILS))
    if email == f"ana{n}@example.com" and random.random() < 0.2:
        email = random.choice(SPELLINGS).format(n=n)
    contact = asked["contact"] if random.random() < 0.5 else random.choice([None, of_history(n, CONTACTS[0])])
    at = None if random.random() < 0.4 else parse_instant(asked["at"])
    return {"tenant": asked["tenant"], "email": email, "contact": contact, "purpose": asked["purpose"],
            "scope": asked["scope"], "at": at}  # fmt: skip


def _moved(about: dict[str, Any], address: str) -> dict[str, Any]:
    """An event or question about this address where it was about the first of its history."""
    told = orjson.dumps(about).decode()
    moved: dict[str, Any] = orjson.loads(
        re.sub(r'"ana\d+@example\.com"', orjson.dumps(address).decode().replace("\\", r"\\"), told)
    )
    return moved


def people(events: int) -> tuple[list[bytes], list[Asked]]:
    """What a few hundred people of the benchmark's population did lately, and a question about each of them."""
    random, size = Random(3), events // 3
    asked = []
    for n in range(size):
        who = Person(n)
        contact = random.choice([None, who.contact])
        asked.append(Asked(tenant=who.tenant, email=who.email, contact=contact, purpose="marketing",
                           scope=random.choice(PROGRAMS), at=None))  # fmt: skip
    return list(records(events, size, instant())), asked


def _event(kind: str, ident: str, time: str, tenant: str = "acme", **data: Any) -> bytes:
    told = {"channel": "email", "scope": "news", "notice": {"id": "n1", "version": 1}, "evidence": "E3", **data}
    if kind == "consent.granted":
        told = {"valid_until": "2100-01-01T00:00:00Z", **told}
    return orjson.dumps({"specversion": "1.0", "id": ident, "source": "/edge", "type": f"{kind}.v1", "tenant": tenant,
                         "time": time, "data": told})  # fmt: skip


def corners() -> tuple[list[bytes], list[tuple[Asked, frozenset[str]]]]:
    """What chance seldom meets, each with the reasons against. Of the first two the status tells nothing bad."""
    grown, ended, freed = ({"email": f"{name}@example.com"} for name in ("grown", "ended", "freed"))
    stolen, moved = {"email": "stolen@example.com"}, {"email": "moved@example.com"}
    two: dict[str, Any] = {"approved_by": ["u1", "u2"]}
    events = [
        # A grant by a child does not revive when the child has grown up.
        _event("subject.age_asserted", "k1", "2021-01-01T00:00:00Z", birth_date="2005-06-01", **grown),
        _event("consent.granted", "k2", "2021-01-02T00:00:00Z", **grown),
        # What undid the no has ended; the contact's own grant, which undoes nothing, has not.
        _event("unsubscribe.link", "k3", "2025-01-01T00:00:00Z", **ended),
        _event("consent.granted", "k4", "2025-01-02T00:00:00Z", **{**ended, "valid_until": "2025-02-01T00:00:00Z"}),
        _event("consent.granted", "k5", "2025-01-02T00:00:00Z", contact="c-ended"),
        # Lifted in March; asked for February.
        _event("consent.granted", "k6", "2025-01-01T00:00:00Z", **freed),
        _event("subject.restricted", "k7", "2025-01-02T00:00:00Z", **freed),
        _event("subject.restriction_lifted", "k8", "2025-03-01T00:00:00Z", **freed, **two),
        # A grant from before its credential was stolen.
        _event("consent.granted", "k9", "2025-01-01T00:00:00Z", credential="pen", **stolen),
        _event("consent.invalidated", "k10", "2025-03-01T00:00:00Z", voids=["credential:pen@2025-03-01T00:00:00Z"],
               **stolen),
        # E1 counts where it is allowed to, but not once there was a restriction, undone or not.
        _event("consent.granted", "k11", "2025-01-01T00:00:00Z", "hooli", **{**moved, "evidence": "E1"}),
        _event("consent.granted", "k12", "2025-01-01T00:00:00Z", "hooli", **{**freed, "evidence": "E1"}),
        _event("subject.restricted", "k13", "2025-01-02T00:00:00Z", "hooli", **freed),
        _event("subject.restriction_lifted", "k14", "2025-03-01T00:00:00Z", "hooli", **freed, **two),
    ]  # fmt: skip
    about = {"tenant": "acme", "contact": None, "purpose": "marketing", "scope": "news", "at": None}
    february, send = parse_instant("2025-02-01T00:00:00Z"), frozenset[str]()
    return events, [
        (Asked({**about, **grown}), frozenset(["no_consent"])),
        (Asked({**about, **ended, "contact": "c-ended"}), frozenset(["unsubscribed"])),
        (Asked({**about, **freed, "at": february}), frozenset(["frozen"])),
        (Asked({**about, **freed}), send),
        (Asked({**about, **stolen}), send),
        (Asked({**about, **moved, "tenant": "hooli"}), send),
        (Asked({**about, **freed, "tenant": "hooli"}), frozenset(["no_consent"])),
    ]
