"""At and beyond every bound of the state: still one state in any order, also over links, and never a no less."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from consent_stream.domain import registers

from .harness import World, key_of, run
from .histories import POLICY
from .test_derivation import EMAIL, OTHER, arrival, asked, link

NOTICE = {"id": "n1", "version": 1}
Arrivals = list[dict[str, Any]]


def orders(history: Arrivals, links: Arrivals, seed: int) -> list[Arrivals]:
    """Links first, last, between; everything backwards, shuffled, and twice."""
    random = Random(seed)
    everything = [{**each, "place": (0, at)} for at, each in enumerate([*history, *links])]
    facts, made = everything[: len(history)], everything[len(history) :]
    middle = len(facts) // 2
    return [
        made + facts, facts + made, facts[:middle] + made + facts[middle:], (made + facts)[::-1],
        random.sample(everything, len(everything)), random.sample(everything, len(everything)) + facts,
    ]  # fmt: skip


def one_world(history: Arrivals, links: Arrivals = [], seed: int = 0) -> World:  # noqa: B006
    """The world that every order ends in."""
    worlds = [run(POLICY, order)[0] for order in orders(history, links, seed)]
    worlds += [run(POLICY, orders(history, links, seed)[4], Random(seed))[0]]
    for world in worlds[1:]:
        assert world.state() == worlds[0].state()
    return worlds[0]


def at_and_beyond(bound: int) -> list[int]:
    return [bound - 1, bound, bound + 1, bound + 2, bound + 40]


@pytest.mark.parametrize("count", at_and_beyond(256))
def test_nodes_of_a_family(count: int) -> None:
    topics = [
        arrival(f"t{n}", "consent.withdrawn", contact="c", channel="email", scope=f"s{n:03}") for n in range(count)
    ]
    world = one_world(topics, [link("c", email=EMAIL), link("c", email=OTHER)])
    for key in (key_of("acme", "contact", "c"), key_of("acme", "email", EMAIL), key_of("acme", "email", OTHER)):
        assert len(world.registers[key].restrictions) == min(count, 256)
    for n in range(0, count, 17):
        assert "topic_opt_out" in world.reasons(asked(email=EMAIL, scope=f"s{n:03}"))
    assert ("topic_opt_out" in world.reasons(asked(email=EMAIL, scope="other"))) == (count > 256)


def test_nodes_of_a_family_that_come_from_several_keys() -> None:
    """200 recipients refused at one address and 200 others at another reach their contact as one widened no."""
    history = [arrival(f"a{n}", "sharing.optout", email=EMAIL, scope=f"a{n:03}") for n in range(200)]
    history += [arrival(f"b{n}", "sharing.optout", email=OTHER, scope=f"b{n:03}") for n in range(200)]
    world = one_world(history, [link("c", email=EMAIL), link("c", email=OTHER), link("d", email=OTHER)])
    for email in (EMAIL, OTHER):
        assert "sharing_opt_out" in world.reasons(asked("sharing", "a000", email=email))
        assert "sharing_opt_out" in world.reasons(asked("sharing", "somebody", email=email))
    assert "sharing_opt_out" not in world.reasons(asked("sharing", "somebody", email="x@example.com", contact="d"))


def test_a_widened_no_has_the_latest_time_of_all_that_went_into_it() -> None:
    history = [
        arrival(f"t{n}", "consent.withdrawn", email=EMAIL, channel="email", scope=f"s{n:03}") for n in range(260)
    ]
    history[258]["event"]["time"] = history[258]["received"] = "2026-03-10T11:00:00Z"
    world = one_world(history)
    held = world.registers[key_of("acme", "email", EMAIL)].restrictions
    (wide,) = [r for r in held.values() if r.node.scope == "*"]
    assert wide.id == "t258"
    reopened = arrival(
        "g", "consent.granted", email=EMAIL, channel="email", scope="*", notice=NOTICE, names=["marketing:email:*"]
    )
    reopened["event"]["time"] = reopened["received"] = "2026-03-10T10:30:00Z"
    assert "topic_opt_out" in run(POLICY, [*history, reopened])[0].reasons(asked(email=EMAIL, scope="other"))


@pytest.mark.parametrize("count", at_and_beyond(256))
def test_voids(count: int) -> None:
    history = [arrival(f"v{n}", "consent.invalidated", contact="c", voids=[f"batch:b{n}"]) for n in range(count)]
    history.append(arrival("g", "consent.granted", email=EMAIL, channel="email", scope="news", notice=NOTICE))
    world = one_world(history, [link("c", email=EMAIL)])
    assert world.reasons(asked(email=EMAIL)) == ([] if count <= 256 else ["no_consent"])


def test_voids_that_travel_are_counted_apart_from_those_that_do_not() -> None:
    """One address too many for its voids must not void the grants of a contact that only knows some of them."""
    history = [arrival(f"v{n}", "consent.invalidated", contact="c", voids=[f"batch:c{n}"]) for n in range(250)]
    history += [arrival(f"w{n}", "consent.invalidated", email=EMAIL, voids=[f"batch:a{n}"]) for n in range(10)]
    history += [
        arrival(f"g {email}", "consent.granted", email=email, channel="email", scope="news", notice=NOTICE)
        for email in (EMAIL, OTHER)
    ]
    world = one_world(history, [link("c", email=EMAIL), link("d", email=EMAIL), link("d", email=OTHER)])
    assert world.reasons(asked(email=EMAIL)) == ["no_consent"], "260 voids there"
    assert world.reasons(asked(email=OTHER)) == [], "10 voids there"


@pytest.mark.parametrize("count", [15, 16, 17, 18, 30])
def test_births(count: int) -> None:
    history = [
        arrival(f"b{n}", "subject.age_asserted", contact="c", birth_date=f"20{10 + n // 12}-{n % 12 + 1:02}-01")
        for n in range(count)
    ]
    history[0]["event"]["time"] = history[0]["received"] = "2026-03-10T12:00:00Z"
    world = one_world(history, [link("c", email=EMAIL)])
    held = world.registers[key_of("acme", "email", EMAIL)].births
    assert len(held) == min(count, 16)
    assert max(birth.hi for birth in held.values()) == 1_773_144_001_000_000, "an evicted date leaves its hi behind"
    assert "minor" in world.reasons(asked(email=EMAIL))


def grants(count: int, make: Callable[[int], dict[str, Any]]) -> Arrivals:
    found = []
    for n in range(count):
        each = arrival(f"g{n}", "consent.granted", email=EMAIL, channel="email", notice=NOTICE, **make(n))
        each["event"]["time"] = each["received"] = f"2026-03-10T10:{n // 60 % 60:02}:{n % 60:02}Z"
        found.append(each)
    return found


def kept(world: World) -> set[int]:
    return {int(grant.id[1:]) for grant in world.registers[key_of("acme", "email", EMAIL)].grants}


def test_like_grants() -> None:
    """The eight latest and the eight longest."""
    history = grants(40, lambda n: {"scope": "news", "valid_until": f"20{99 - n}-01-01T00:00:00Z"})
    assert kept(one_world(history)) == {*range(8), *range(32, 40)}


@pytest.mark.parametrize("count", at_and_beyond(256))
def test_grants_of_a_key(count: int) -> None:
    history = grants(count, lambda n: {"scope": f"s{n}", "valid_until": "2030-01-01T00:00:00Z"})
    longest = sorted(range(count), key=lambda n: f"g{n}")[-256:]
    assert kept(one_world(history)) == {*range(max(0, count - 256), count), *longest}


def test_grants_of_many_groups() -> None:
    """Thirty groups of twelve: slots of groups first, then those of the key."""
    history = grants(
        360, lambda n: {"scope": f"s{n % 30}", "valid_until": f"20{30 + n * 7919 % 60}-{1 + n % 12:02}-01T00:00:00Z"}
    )
    assert 256 < len(kept(one_world(history))) <= 512


def test_a_grant_beyond_the_bound_can_only_deny() -> None:
    history = grants(400, lambda n: {"scope": f"s{n}", "valid_until": "2030-01-01T00:00:00Z"})
    world = one_world(history)
    for n in (0, 50, 399):
        assert world.reasons(asked(email=EMAIL, scope=f"s{n}")) == ([] if n in kept(world) else ["no_consent"])


def test_slots_are_filled_before_voids_are_looked_at() -> None:
    """Nine like grants, the eight that count voided: the ninth is gone all the same, in every order."""
    history = grants(9, lambda n: {"scope": "news", "valid_until": "2030-01-01T00:00:00Z"})
    history += [arrival(f"v{n}", "consent.invalidated", email=EMAIL, voids=[f"grant:/edge#g{n}"]) for n in range(1, 9)]
    assert one_world(history).reasons(asked(email=EMAIL)) == ["no_consent"]


def test_lifts() -> None:
    """Beyond its bound a lift is forgotten, the earliest first: the restriction stands again."""
    history: Arrivals = []
    for n in range(600):
        each = arrival(
            f"l{n}", "admin.lift", email=EMAIL, kind="legal", node=f"marketing:email:s{n}", approved_by=["u", "v"]
        )
        each["event"]["time"] = each["received"] = f"2026-03-10T11:{n // 60:02}:{n % 60:02}Z"
        history.append(each)
    history += [
        arrival(f"r{n}", "admin.legal_block", email=EMAIL, node=f"marketing:email:s{n}") for n in (0, 87, 88, 599)
    ]
    world = one_world(history)
    assert sum(map(len, world.registers[key_of("acme", "email", EMAIL)].lifts.values())) == registers.LIFTS_PER_KEY
    standing = ["legal" in world.reasons(asked(email=EMAIL, scope=f"s{n}")) for n in (0, 87, 88, 599)]
    assert standing == [True, True, False, False]


def test_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """A contact has 10,000 addresses at most; which ones does not depend on the order."""
    assert registers.LINKS_PER_KEY == 10_000
    monkeypatch.setattr(registers, "LINKS_PER_KEY", 50)
    links = [link("c", email=f"u{n}@example.com") for n in range(80)]
    world = one_world([], links)
    held = world.registers[key_of("acme", "contact", "c")].links
    assert sorted(held) == sorted(key_of("acme", "email", f"u{n}@example.com") for n in range(80))[:50]


def test_a_full_contact_still_passes_on_what_is_linked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registers, "LINKS_PER_KEY", 50)
    links: Sequence[dict[str, Any]] = [link("c", email=f"u{n}@example.com") for n in range(80)]
    world, _ = run(POLICY, [*links, arrival("u", "unsubscribe.global", contact="c")])
    held = world.registers[key_of("acme", "contact", "c")].links
    for n in range(80):
        denied = "global_opt_out" in world.reasons(asked(email=f"u{n}@example.com"))
        assert denied == (key_of("acme", "email", f"u{n}@example.com") in held)
