"""What forbids never permits; what permits never forbids; one tenant never touches another."""

from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from .harness import run
from .histories import POLICY, arrivals, event, histories, picker, question, questions, seeded

FORBIDDING = [
    "consent.withdrawn", "consent.refused", "consent.revoked", "consent.invalidated", "unsubscribe.oneclick",
    "unsubscribe.link", "unsubscribe.mailto", "unsubscribe.global", "objection.direct_marketing", "sharing.optout",
    "signal.gpc", "signal.gpp", "feedback.complaint", "delivery.bounced", "number.reassigned", "number.deactivated",
    "subject.age_asserted", "report.minor_suspected", "subject.deceased", "subject.restricted",
    "subject.erasure_ordered", "admin.suppress", "admin.legal_block", "vendor.optout", "sharing.partner.stop",
]  # fmt: skip
PERMITTING = ["consent.granted", "consent.confirmed", "consent.renewed", "sharing.optin", "sharing.optin_confirmed"]
ABOUT_PERMISSION = {"expired", "evidence_too_low", "no_consent"}
ACME = ["acme"]

History = list[dict[str, Any]]


def check_forbidding(history: History, more: dict[str, Any], asked: list[dict[str, Any]]) -> None:
    before, after = run(POLICY, history)[0], run(POLICY, [*history, more])[0]
    for x in asked:
        was, now = before.reasons(x), after.reasons(x)
        assert now or not was, f"{more} turned {was} into a yes: {x}"
        assert set(was) - ABOUT_PERMISSION <= set(now), f"{more} turned {was} into {now}: {x}"


def check_permitting(history: History, more: dict[str, Any], asked: list[dict[str, Any]]) -> None:
    data = more["event"]["data"]
    if len({"email", "phone", "contact", "keys"} & set(data)) > 1:
        return  # it links, and a link may bring facts that forbid
    before, after = run(POLICY, history)[0], run(POLICY, [*history, more])[0]
    for x in asked:
        was, now = before.reasons(x), after.reasons(x)
        forgiven = ABOUT_PERMISSION | ({"undeliverable"} if x["at"] < more["received"] else set())  # see READINGS
        assert set(now) - forgiven <= set(was), f"{more} turned {was} into {now}: {x}"
        assert was or set(now) <= forgiven - ABOUT_PERMISSION, f"{more} turned a yes into {now}: {x}"


@given(histories(6, tenants=ACME), arrivals(ACME, FORBIDDING), st.lists(questions(ACME), min_size=4, max_size=8))
def test_what_forbids_never_permits(history: History, more: dict[str, Any], asked: list[dict[str, Any]]) -> None:
    check_forbidding(history, more, asked)


@given(histories(6, tenants=ACME), arrivals(ACME, PERMITTING), st.lists(questions(ACME), min_size=4, max_size=8))
def test_a_grant_never_forbids(history: History, more: dict[str, Any], asked: list[dict[str, Any]]) -> None:
    check_permitting(history, more, asked)


def test_both_on_seeded_histories(sweep: Iterable[int]) -> None:
    for seed in sweep:
        pick = picker(seed)
        tenants = [pick(["acme", "globex", "hooli"])]
        history = seeded(seed, 8, tenants)
        asked = [question(pick, tenants, history) for _ in range(25)]
        check_forbidding(history, event(pick, tenants, FORBIDDING), asked)
        check_permitting(history, event(pick, tenants, PERMITTING), asked)


def test_one_tenant_never_touches_another(sweep: Iterable[int]) -> None:
    for seed in list(sweep)[::3]:
        random = Random(seed)
        ours = [event(random.choice, ["acme"]) for _ in range(8)]
        theirs = [event(random.choice, ["globex", "hooli", "stranger"]) for _ in range(8)]
        both = sorted([*ours, *theirs], key=lambda _: random.random())
        ours = [arrival for arrival in both if arrival["event"].get("tenant") == "acme"]
        alone, beside = run(POLICY, _placed(ours, both))[0].state(), run(POLICY, _placed(both, both))[0].state()
        assert {key: state for key, state in beside.items() if "'acme'" in state[:10]} == alone
        assert set(alone).isdisjoint(set(run(POLICY, _placed(theirs, both))[0].state()))


def _placed(some: History, among: History) -> History:
    return [{**arrival, "place": (0, next(i for i, each in enumerate(among) if each is arrival))} for arrival in some]
