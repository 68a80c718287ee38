"""Answers remembered by the shape of a row are those of the rules, row for row and instant for instant."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import KINDS, Birth, Delivery, Grant, Lift, Restriction, Void
from consent_stream.domain.nodes import node
from consent_stream.domain.policy import DEFAULTS, read_policy
from consent_stream.gate.rows import read_row
from consent_stream.gate.shapes import Shapes, glance, instant, moment_of
from consent_stream.wire.control import encode_policy
from tests.gate.made import ANA, ANAS, RING, entry, grant, restriction
from tests.gate.mailer import NOON, Mailer

NODES = [node("marketing", "email", scope) for scope in ("*", "news", "news/weekly", "offers")]
NODES += [node("marketing", "*", "*"), node("*", "*", "*"), node("transactional", "email", "news")]
TENANTS = {
    "acme": {},
    "bold": {"allow_migrated": True, "min_evidence": "E1", "basis": {"profiling": "legitimate_interest"}},
    "shy": {"min_evidence": "E3"},
}
# Few instants, close together: what matters is which of two is the greater, or that they are equal.
instants = st.integers(NOON - 3, NOON + 3)
idents = st.sampled_from(["e1", "e2", "e3", "4e4e4e4e-1", "é"])
grants = st.builds(
    lambda lo, ident, until, where, level, names, batch: Grant(
        lo, ident, "/forms", until, where, level, tuple(sorted(set(names))), "n1", "1", batch, "", "x"
    ),
    instants,
    idents,
    instants,
    st.sampled_from(NODES),
    st.integers(0, 4),
    st.lists(st.sampled_from(NODES), max_size=2),
    st.sampled_from(["", "b1"]),
)
restrictions = st.builds(
    lambda kind, where, open_, hi, ident: Restriction(kind, where, open_, hi, ident, "/mailer", "x"),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from(NODES),
    st.booleans(),
    instants,
    idents,
)
rare = st.one_of(
    st.builds(lambda hi: Birth(735_000, False, hi, "b", "/forms"), instants),
    st.builds(lambda lo: Lift("legal", NODES[5], lo, "l", "/staff"), instants),
    st.builds(lambda since: Void("batch:b1", False, since, "v", "/staff"), instants),
    st.builds(lambda bounced, at: Delivery(bounced, at, "d", "/mta"), st.booleans(), instants),
)
parts = st.tuples(st.lists(grants, max_size=3), st.lists(restrictions, max_size=3), st.lists(rare, max_size=1))
questions = st.tuples(
    st.sampled_from(["marketing", "transactional", "legal_required"]), st.sampled_from(["*", "news", "news/weekly"])
)


def ours(**about):
    """A grant of our time, as rows of lists have them."""
    return grant(**{"lo": NOON - 1000, "until": NOON + 3_600_000_000, **about})


MAILER = Mailer(TENANTS)  # one for all examples, so that each may find what another left
MAILER.get_ready()
POLICY = read_policy({"tenants": TENANTS})


@settings(max_examples=600, deadline=None)
@given(parts, st.lists(st.tuples(questions, instants), min_size=1, max_size=4), st.sampled_from(sorted(TENANTS)))
def test_any_row_at_any_instant_is_answered_as_by_the_rules(made, asked, tenant):
    row = entry(*made[0], *made[1], *made[2], tenant=tenant, version=7)
    key = RING.subject(tenant, "email", ANA)
    MAILER.reading.replica.apply({key: row}, {})
    view = View(read_row(row).registers)
    for (purpose, scope), at in asked:
        expected = decide(question(purpose, "email", scope), at, [view], POLICY.tenant(tenant), "email")
        verdict = MAILER.ask(tenant, email=ANA, purpose=purpose, scope=scope, at=at)
        assert (verdict.reasons, verdict.facts, verdict.version) == (*expected, 7)
        if verdict:
            ends = [each.valid_until for each in view.registers.grants if each.valid_until > at]
            assert verdict.valid_until == min([NOON + 10_000_000, *ends])


def test_the_second_of_two_alike_is_not_decided_again(monkeypatch):
    mailer = Mailer().get_ready()
    decided = []

    def counted(*about):
        decided.append(about)
        return decide(*about)

    monkeypatch.setattr("consent_stream.gate.checker.decide", counted)
    for number in range(50):
        row = entry(ours(lo=NOON - number, ident=f"g{number}"), restriction(hi=NOON - 60 - number, ident=f"r{number}"))
        mailer.reading.replica.apply({ANAS: row}, {})
        assert mailer.ask().facts == (f"r{number}",)
    assert len(decided) == 1


def test_an_instant_orders_as_the_number_it_stands_for():
    rng = random.Random(1)
    known = [rng.randrange(1 << 48, 1 << 55) for _ in range(2000)]
    known += [number + 1 for number in known]
    raw = [instant(number) for number in known]
    assert None not in raw
    assert sorted(range(len(known)), key=known.__getitem__) == sorted(range(len(known)), key=raw.__getitem__)
    assert [moment_of(each) for each in raw] == known
    assert [instant(number) for number in (-1, 0, 1, 1 << 47, 1 << 56, 1 << 70)] == [None] * 6


def test_a_row_with_bytes_changed_is_answered_as_its_decoder_and_the_rules_have_it():
    """A glance may see less than the decoder, never something else."""
    rng, mailer = random.Random(2), Mailer().get_ready()
    row = entry(ours(), restriction("complaint", hi=NOON - 5000), version=300)
    mailer.rows((ANAS, row))
    assert mailer.ask().reasons == ("complaint",)
    seen = 0
    for _ in range(20_000):
        bent = bytearray(row)
        for _ in range(rng.choice((0, 1, 1, 2, 3))):
            bent[rng.randrange(len(bent))] = rng.randrange(256)
        end = rng.choice((len(bent), len(bent), rng.randrange(len(bent))))
        bent = rng.choice((b"", b"", b"", b"\0")) + bytes(bent[:end])
        mailer.reading.replica.apply({ANAS: bent}, {})
        verdict, read = mailer.ask(), read_row(bent)
        if not (read.sound and read.tenant == "acme" and read.channel == "email"):
            assert verdict.reasons[0] == "not_ready"
            continue
        seen += glance(bent) is not None
        wanted = decide(question("marketing", "email", "news"), NOON, [View(read.registers)], DEFAULTS, "email")
        assert (verdict.reasons, verdict.facts, verdict.version) == (*wanted, max(0, read.order[1]))
    assert seen > 1000


def test_what_cannot_be_read_is_not_answered_by_what_a_row_like_it_said():
    """An id that is no text: the shape is known, the row is not."""
    mailer = Mailer().get_ready()
    row = entry(ours(ident="g1"))
    mailer.reading.replica.apply({ANAS: row}, {})
    assert mailer.ask().allow
    for broken in (row.replace(b"g1", b"\xff\xfe"), row.replace(b"cause", b"caus\xff"), row[:-1], row + b"\0"):
        mailer.reading.replica.apply({ANAS: broken}, {})
        assert mailer.ask().reasons == ("not_ready",)


def test_answers_are_of_one_policy():
    mailer = Mailer().get_ready()
    mailer.rows((ANAS, entry(ours(level=2))))
    for _ in range(2):
        mailer.control(encode_policy({"acme": {}}))
        assert mailer.ask().allow
        mailer.control(encode_policy({"acme": {"min_evidence": "E4"}}))
        assert mailer.ask().reasons == ("evidence_too_low",)


def test_what_is_remembered_is_bounded(monkeypatch):
    monkeypatch.setattr("consent_stream.gate.shapes.MOST_ANSWERS", 10)
    shapes, now = Shapes(), instant(NOON)
    row = entry(ours())
    seen, view = glance(row), View(read_row(row).registers)
    decision = decide(question("marketing", "email", "news"), NOON, [view], DEFAULTS, "email")
    for number in range(35):
        shapes.remember(seen, now, (str(number),), decision)
        assert len(shapes) <= 10
        assert shapes.find(seen, now, (str(number),)) == decision


def test_an_end_long_before_the_epoch_is_in_the_past():
    """A zigzag number of eight bytes may stand for one before 1970: as bytes it is greater than any instant of ours."""
    mailer = Mailer().get_ready()
    mailer.rows((ANAS, entry(ours())))
    assert mailer.ask()
    for number, until in enumerate((-5_000_000_000_000_000, -3_000_000_000_000_000, -600_000_000_000_000)):
        mailer.rows((ANAS, entry(ours(until=until), version=2 + number)))
        assert mailer.ask().reasons == ("expired",)


def test_bytes_of_another_schema_have_no_shape():
    row = entry(ours())
    assert glance(row) is not None
    assert glance(b"\xc3\x01" + bytes(8) + row[10:]) is None
    assert glance(b"\0" + row) is None
