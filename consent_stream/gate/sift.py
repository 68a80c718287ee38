"""Many addresses at once, for who cleans a list: the reasons of each, and nothing that such a one does not need."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from typing import NamedTuple

from consent_stream.gate.checker import Checker
from consent_stream.gate.question import Question


class Sifted(NamedTuple):
    """reasons: of each address, in their order; empty where it may be sent to. The rest as in `Verdict`, for all."""

    reasons: list[tuple[str, ...]]
    applied_through: int | None
    staleness: float | None


def sift(
    checker: Checker,
    tenant: str,
    emails: Sequence[str] | None,
    phones: Sequence[str] | None,
    contacts: Sequence[str | None] | None,
    region: str | None,
    purpose: str,
    scope: str,
) -> Sifted:
    """See `Gate.sift`."""
    addresses = emails if emails is not None else phones
    if addresses is None or (emails is not None and phones is not None):
        raise ValueError("name exactly one of emails and phones")
    if contacts is not None and len(contacts) != len(addresses):
        raise ValueError("contacts: one for each address, or None")
    moments = checker.moments()
    worst = moments[contacts is None]
    known, order = worst.known, (region, purpose, scope)
    quick = None if known.stops or moments[True].gap else checker.quick(tenant, purpose, scope, moments[True])
    reasons: list[tuple[str, ...]] = []
    for address, contact in zip(addresses, repeat(None) if contacts is None else contacts, strict=False):
        email, phone = (address, None) if emails is not None else (None, address)
        found = quick(email, phone, contact, region) if quick is not None else None
        if found is None:
            asked = Question(tenant, email, phone, None, contact, *order)
            found = checker.ask(asked, moments[contact is None]).reasons
        reasons.append(found)
    if quick is not None and checker.reading.session != known.session:  # rows may have vanished in between
        return sift(checker, tenant, emails, phones, contacts, region, purpose, scope)
    return Sifted(reasons, worst.fresh and worst.fresh.through, worst.age / 1e6 if worst.fresh else None)
