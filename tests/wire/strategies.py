"""Anything that the domain can hold, close enough together to collide in slots."""

from hypothesis import strategies as st

from consent_stream.domain.facts import (
    KINDS,
    Birth,
    Delivery,
    Fact,
    Grant,
    Lift,
    Link,
    Request,
    Restriction,
    Void,
)
from consent_stream.domain.nodes import ANY, EVERYTHING, parse_node
from consent_stream.domain.registers import Registers

# Short ones and known ones for collisions, long ones for two-byte lengths, every plane of Unicode for byte counts.
TEXTS = st.one_of(
    st.sampled_from(["", "a", "e-1", "acme", "x" * 63, "x" * 64, "é" * 32, "x" * 8192, "\0", "😀"]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
)
SOURCES = st.one_of(st.sampled_from(["/edge", "/shop", ""]), TEXTS)
TYPES = st.one_of(st.sampled_from(["consent.granted", "unsubscribe.oneclick"]), TEXTS)
LONGS = st.one_of(
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.sampled_from([0, 1, 63, 64, -1, -64, -65, (1 << 48) - 1, 1 << 48, (1 << 55) - 1, 1 << 55, (1 << 63) - 1]),
)
INSTANTS = st.one_of(st.integers(1_700_000_000_000_000, 1_700_000_000_000_005), LONGS)
SCOPES = st.one_of(
    st.sampled_from(["news", "news/weekly", "offers", "a:b", "é" * 128]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/*"), min_size=1, max_size=30),
)
NODES = st.one_of(
    st.sampled_from(["*:*:*", "marketing:*:*", "*:sms:*", "sharing:*:*", "marketing:email:news"]),
    st.builds("marketing:email:{}".format, SCOPES),
    st.builds("sharing:*:{}".format, SCOPES),
).map(parse_node)
KIND_NAMES = st.sampled_from([*KINDS])
DATES = st.one_of(st.sampled_from([1, 719_163, 734_000, 3_652_059]), st.integers(1, 3_652_059))
SUBJECT_KEYS = st.builds(
    lambda kind, rest: b"\x01" + kind + b"\0" + rest, st.sampled_from([b"a", b"c"]), st.binary(min_size=16, max_size=16)
)
CHANNELS = st.integers(0, 7)
FLAGS = st.booleans()

RESTRICTIONS = st.builds(Restriction, KIND_NAMES, NODES, FLAGS, INSTANTS, TEXTS, SOURCES, TYPES)
GRANTS = st.builds(
    Grant, INSTANTS, TEXTS, SOURCES, INSTANTS, NODES, st.integers(0, 4),
    st.lists(NODES, max_size=3, unique=True).map(lambda names: tuple(sorted(names))),
    TEXTS, TEXTS, TEXTS, TEXTS, TYPES,
)  # fmt: skip
LIFTS = st.one_of(
    st.builds(Lift, KIND_NAMES, NODES, INSTANTS, TEXTS, SOURCES),
    st.builds(Lift, st.just("minor"), st.just(EVERYTHING), INSTANTS, TEXTS, SOURCES),
)
VOIDS = st.builds(Void, st.one_of(st.just(ANY), st.builds("batch:{}".format, TEXTS)), FLAGS, INSTANTS, TEXTS, SOURCES)
BIRTHS = st.builds(Birth, DATES, FLAGS, INSTANTS, TEXTS, SOURCES)
DELIVERIES = st.builds(Delivery, FLAGS, INSTANTS, TEXTS, SOURCES)
REQUESTS = st.builds(
    Request, st.sampled_from(["marketing", "sharing"]), st.sampled_from(["email", ANY]), INSTANTS, TEXTS, SOURCES
)
LINKS = st.builds(Link, SUBJECT_KEYS, st.integers(1, 7))
PARTS = st.one_of(RESTRICTIONS, GRANTS, LIFTS, VOIDS, BIRTHS, DELIVERIES, REQUESTS, LINKS)

FACTS = st.builds(
    Fact, SUBJECT_KEYS, CHANNELS, TEXTS, TEXTS, SOURCES, TYPES, INSTANTS, st.integers(0, 1 << 20),
    st.integers(0, 1 << 60), FLAGS, st.lists(PARTS, max_size=6).map(tuple),
)  # fmt: skip


def registers_of(facts: list[Fact]) -> Registers:
    """What a key knows after `facts`, all taken to be about it."""
    reg = Registers("acme", 0)
    for fact in facts:
        reg.apply(fact)
    return reg


REGISTERS = st.lists(FACTS, max_size=6).map(registers_of)


def slots(reg: Registers) -> dict[str, object]:
    """All of the registers, for a comparison. Grants of one group are in no order."""
    return {name: getattr(reg, name) for name in Registers.__slots__ if name not in ("groups", "narrowed")} | {
        "grants": sorted(reg.grants)
    }
