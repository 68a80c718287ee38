"""Anything that JSON can say is taken or refused with a reason, as the worker's own intake would judge it."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consent_stream.domain.events import CODES
from consent_stream.domain.facts import Link
from consent_stream.edge.intent import judging
from consent_stream.edge.intent.judging import judge
from consent_stream.edge.intent.keys import ApiKey
from consent_stream.edge.intent.reading import Flaw, fill_in
from consent_stream.topology.intake import take_in
from tests.edge.intake.site import POLICY, event
from tests.faults.deployment import KEYS

NOW = 1_780_000_000_000_000  # µs, in 2026
KEY = ApiKey("form", b"", "/forms/signup", frozenset(("acme",)))
TYPES = ("consent.granted.v1", "preference.set.v1", "unsubscribe.link.v1", "admin.lift.v1", "import.row.v1", "x.stop")
NAMES = (
    "email",
    "phone",
    "keys",
    "contact",
    "channel",
    "purpose",
    "scope",
    "notice",
    "topics",
    "node",
    "kind",
    "names",
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=8)
    | st.sampled_from(("ana@example.com", "email")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
flawed = st.builds(
    lambda kind, data, change: {**event(kind, **data), **change},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(NAMES), anything, max_size=4),
    st.dictionaries(st.sampled_from(("id", "time", "tenant", "specversion", "data")), anything, max_size=1),
)


def judged(said):
    """The event as it would be sent, what is wrong with it, and whether it is taken."""
    filled = None
    try:
        filled = fill_in(said, KEY)
        return filled, judge(filled, NOW, POLICY), True
    except Flaw as flaw:
        return filled, flaw, False


@given(anything | flawed)
def test_whatever_comes_is_judged_as_the_worker_judges_it(said):
    filled, flaw, taken = judged(said)
    if filled is None:  # it speaks for others, or is no object
        assert flaw.code in ("not_cloudevent", "wrong_source", "wrong_tenant")
        return
    worker = take_in(orjson.dumps(filled), NOW, (0, 0), POLICY, KEYS.subject)
    assert (worker.refusal and worker.refusal.code) == (flaw and flaw.code)
    told = [part for fact in worker.facts for part in fact.parts if not isinstance(part, Link)]
    assert taken == (flaw is None or bool(told))  # only what would be lost is refused
    assert flaw is None or (flaw.code in CODES and flaw.detail)


def test_many_fields_are_not_judged_one_by_one(monkeypatch):
    asked = []
    real = judging.qualify
    monkeypatch.setattr(judging, "qualify", lambda *each: asked.append(None) or real(*each))
    more = {f"f{number}": 1 for number in range(3000)}
    with pytest.raises(Flaw) as found:
        judge(fill_in(event(**more, evidence=7), KEY), NOW, POLICY)
    assert found.value.code == "bad_value"
    assert len(asked) < 100
