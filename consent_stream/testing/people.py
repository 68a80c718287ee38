"""What people do, as events: the short forms of `FakeGate` and the reasons that a denial can have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

SOURCE = "/consent-stream/testing"
NOTICE: Mapping[str, Any] = {
    "id": "consent-stream-testing",
    "version": 1,
    "sha256": "00",
    "effective": "2000-01-01T00:00:00Z",
    "purposes": ["marketing", "profiling", "sharing", "transactional"],
}
# reason → what somebody does so that it is one
DEEDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "legal": ("admin.legal_block", {}),
    "deceased": ("subject.deceased", {}),
    "frozen": ("subject.restricted", {}),
    "suppressed_by_staff": ("admin.suppress", {}),
    "minor": ("subject.age_asserted", {"band": "under_13"}),
    "minor_suspected": ("report.minor_suspected", {}),
    "erased": ("subject.erasure_ordered", {}),
    "reassigned": ("number.reassigned", {}),
    "complaint": ("feedback.complaint", {"feedback_type": "abuse"}),
    "objected": ("objection.direct_marketing", {}),
    "global_opt_out": ("unsubscribe.global", {}),
    "sharing_opt_out": ("sharing.optout", {}),
    "sms_stop": ("sms.inbound", {"text": "STOP"}),
    "unsubscribed": ("unsubscribe.link", {}),
    "topic_opt_out": ("consent.withdrawn", {}),
    "undeliverable": ("delivery.bounced", {"status": "5.1.1"}),
}
# These say nothing of a scope: it would be one of theirs alone, and make them smaller than they are.
SCOPED = ("unsubscribed", "topic_opt_out", "sharing_opt_out")

Person = Mapping[str, str | None]  # of email, phone, contact


def policy_with_us(table: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    """A policy that admits what is made here for `tenant`, beside all that it says. A tenant it lacks gets defaults."""
    sources = {**table.get("sources", {})}
    known = sources.get(SOURCE, {"tenants": []})["tenants"]
    sources[SOURCE] = {"clock": "ours", "max_evidence": "E4", "tenants": sorted({*known, tenant})}
    notices = {**table.get("notices", {})}
    if NOTICE not in notices.get(tenant, []):
        notices[tenant] = [*notices.get(tenant, []), dict(NOTICE)]
    return {**table, "tenants": {tenant: {}, **table.get("tenants", {})}, "sources": sources, "notices": notices}


def grant(number: int, at: int, tenant: str, person: Person, **data: Any) -> dict[str, Any]:
    """A yes with the strongest proof, so that it undoes what a person can undo."""
    told = {"evidence": "E4", "notice": {"id": NOTICE["id"], "version": 1}, **data}
    return {**_event(number, "consent.confirmed", tenant, person, told), "time": _text(at)}


def restriction(number: int, reason: str, tenant: str, person: Person, scope: str, **data: Any) -> dict[str, Any]:
    """A no. It has no time of its own, so that it counts from its arrival, not a second later (RULES §3).

    Errors: ValueError for a reason that nobody's deed makes.
    """
    if reason not in DEEDS:
        raise ValueError(f"deny: {reason!r} is no reason that an event makes; known are {', '.join(DEEDS)}")
    kind, told = DEEDS[reason]
    where = {"scope": scope} if reason in SCOPED else {}
    return _event(number, kind, tenant, person, {**told, **where, **data})


def _event(number: int, kind: str, tenant: str, person: Person, data: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in person.items() if value is not None}
    head = {"specversion": "1.0", "id": f"fake-{number}", "source": SOURCE, "type": f"{kind}.v1", "tenant": tenant}
    return {**head, "data": {**named, **data}}


def _text(instant: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant)).isoformat().replace("+00:00", "Z")
