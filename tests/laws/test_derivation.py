"""Facts over links: complete whenever the link was made, no further than the rules say, and at an end on any cycle."""

from itertools import permutations, product
from random import Random
from typing import Any

import pytest

from .harness import World, key_of, run
from .histories import POLICY

EMAIL, OTHER, PHONE = "ana@example.com", "ana@example.org", "+12015550123"


def arrival(ident: str, type_: str, /, **data: Any) -> dict[str, Any]:
    event = {
        "specversion": "1.0", "id": ident, "source": "/edge", "type": f"{type_}.v1", "tenant": "acme",
        "time": "2026-03-10T10:00:00Z", "data": data,
    }  # fmt: skip
    return {"received": "2026-03-10T10:00:00Z", "event": event}


def link(contact: str, **address: str) -> dict[str, Any]:
    return arrival(f"link {contact} {address}", "consent.requested", contact=contact, **address)


def asked(
    purpose: str = "marketing", scope: str = "news", contact: str | None = None, **address: str
) -> dict[str, Any]:
    channel = "email" if "email" in address else "sms"
    return {
        "tenant": "acme", "at": "2026-04-01T00:00:00Z", "purpose": purpose, "scope": scope, "contact": contact,
        "channel": channel, **address,
    }  # fmt: skip


def grants_of(world: World, channel: str, address: str) -> str:
    return repr(world.registers[key_of("acme", channel, address)].grants)


PERSON_FACTS = [
    ("unsubscribe.global", {}, "global_opt_out"), ("objection.direct_marketing", {}, "objected"),
    ("subject.restricted", {}, "frozen"), ("subject.deceased", {}, "deceased"),
    ("subject.erasure_ordered", {}, "erased"), ("report.minor_suspected", {}, "minor_suspected"),
    ("admin.suppress", {"node": "marketing:*:*"}, "suppressed_by_staff"), ("admin.legal_block", {}, "legal"),
    ("subject.age_asserted", {"band": "under_13"}, "minor"),
]  # fmt: skip
ADDRESS_FACTS = [
    ("unsubscribe.oneclick", {}, "unsubscribed"), ("consent.withdrawn", {"scope": "news"}, "topic_opt_out"),
    ("feedback.complaint", {}, "complaint"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "data", "reason"), PERSON_FACTS)
def test_a_person_fact_of_a_contact_reaches_addresses_linked_before_and_after(
    kind: str, data: dict[str, Any], reason: str
) -> None:
    for order in permutations(
        [link("c", email=EMAIL), arrival("f", kind, contact="c", **data), link("c", phone=PHONE)]
    ):
        world, _ = run(POLICY, order)
        assert reason in world.reasons(asked(email=EMAIL))
        assert reason in world.reasons(asked(phone=PHONE))
        assert reason not in world.reasons(asked(email=OTHER))


@pytest.mark.parametrize(("kind", "data", "reason"), PERSON_FACTS)
def test_a_person_fact_of_an_address_reaches_its_contacts_and_their_addresses_and_no_further(
    kind: str, data: dict[str, Any], reason: str
) -> None:
    far = "ben@example.org"
    history = [
        arrival("f", kind, email=EMAIL, **data), link("c", email=EMAIL), link("c", email=OTHER),
        link("d", email=OTHER), link("d", email=far),
    ]  # fmt: skip
    for order in permutations(history):
        world, _ = run(POLICY, order)
        assert reason in world.reasons(asked(email=EMAIL))
        assert reason in world.reasons(asked(email="nobody@example.org", contact="c"))
        assert reason in world.reasons(asked(email=OTHER))
        assert reason not in world.reasons(asked(email="nobody@example.org", contact="d"))
        assert reason not in world.reasons(asked(email=far))


@pytest.mark.parametrize(("kind", "data", "reason"), PERSON_FACTS)
def test_a_person_fact_that_names_both_goes_to_the_contacts_addresses_and_not_on_from_the_address(
    kind: str, data: dict[str, Any], reason: str
) -> None:
    history = [
        arrival("f", kind, contact="c", email=EMAIL, **data), link("c", phone=PHONE), link("d", email=EMAIL),
        link("d", email=OTHER),
    ]  # fmt: skip
    for order in permutations(history):
        world, _ = run(POLICY, order)
        assert reason in world.reasons(asked(phone=PHONE))
        assert reason not in world.reasons(asked(email="nobody@example.org", contact="d"))
        assert reason not in world.reasons(asked(email=OTHER))


@pytest.mark.parametrize(("kind", "data", "reason"), ADDRESS_FACTS)
def test_an_address_fact_stays_or_goes_from_the_contact_to_addresses_of_its_channel(
    kind: str, data: dict[str, Any], reason: str
) -> None:
    at_address = [
        arrival("f", kind, email=EMAIL, channel="email", **data),
        link("c", email=EMAIL),
        link("c", email=OTHER),
    ]
    for order in permutations(at_address):
        world, _ = run(POLICY, order)
        assert reason in world.reasons(asked(email=EMAIL))
        assert reason not in world.reasons(asked(email=OTHER, contact="c"))
    at_contact = [
        arrival("f", kind, contact="c", channel="email", **data),
        link("c", email=EMAIL),
        link("c", phone=PHONE),
    ]
    for order in permutations(at_contact):
        world, _ = run(POLICY, order)
        assert reason in world.reasons(asked(email=EMAIL))
        held = world.registers[key_of("acme", "sms", PHONE)].restrictions
        assert not held, "an e-mail fact has nothing to say about a number"


def test_voids_travel_like_person_facts_and_grants_do_not() -> None:
    granted = arrival(
        "g", "consent.granted", email=EMAIL, channel="email", scope="news", notice={"id": "n1", "version": 1}, batch="b"
    )
    for void in ({"contact": "c"}, {"email": OTHER}):
        history = [
            granted,
            link("c", email=EMAIL),
            link("c", email=OTHER),
            arrival("v", "consent.invalidated", voids=["batch:b"], **void),
        ]
        for order in permutations(history):
            world, _ = run(POLICY, order)
            assert world.reasons(asked(email=EMAIL)) == ["no_consent"]
            assert world.reasons(asked(email=OTHER)) == ["no_consent"]
            assert "'g'" in grants_of(world, "email", EMAIL)
            assert grants_of(world, "email", OTHER) == "[]"


def test_a_link_that_widens_carries_what_concerns_all_that_it_stands_for() -> None:
    """A key once taken for a number and once for a mailbox gets what is said of either, also by the widening event."""
    history = [
        arrival("k", "consent.requested", contact="c", keys=[key_of("acme", "email", EMAIL).hex()], channel="sms"),
        arrival("n", "number.reassigned", contact="c", email=EMAIL),
        arrival("w", "consent.withdrawn", contact="c", channel="email", scope="news"),
    ]
    states = []
    for order in permutations({**each, "place": (0, at)} for at, each in enumerate(history)):
        world, _ = run(POLICY, order)
        assert "reassigned" in world.reasons(asked("profiling", "*", email=EMAIL))
        states.append(world.state())
    assert all(state == states[0] for state in states)


def test_it_ends_on_cycles_with_each_key_told_a_fact_once() -> None:
    """Every contact linked to every address, and a fact from each of them: no echo, whatever is folded first."""
    contacts, emails = [f"c{n}" for n in range(5)], [f"u{n}@example.com" for n in range(5)]
    links = [link(contact, email=email) for contact, email in product(contacts, emails)]
    facts = [arrival(f"f {email}", "unsubscribe.global", email=email) for email in emails]
    facts += [arrival(f"f {contact}", "objection.direct_marketing", contact=contact) for contact in contacts]
    for seed in range(6):
        random = Random(seed)
        world = _Counting(POLICY)
        for each in random.sample(links + facts, len(links) + len(facts)):
            world.hear(each["event"], 1_773_136_800_000_000)
        assert world.folded <= 6 * len(links) * len(facts)
        for email in emails:
            assert {"objected", "global_opt_out"} <= set(world.reasons(asked(email=email)))


class _Counting(World):
    folded = 0

    def fold(self, fact: Any) -> None:
        self.folded += 1
        super().fold(fact)
