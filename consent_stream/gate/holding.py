"""What the list holds of a person, for a page that the person reads: rows as they are, and the rules to weigh them by.

For people, not for sending: who sends asks `Gate.check`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from consent_stream.domain.clearing import View
from consent_stream.domain.policy import DEFAULTS, Tenant
from consent_stream.gate.gate import Gate
from consent_stream.gate.question import Asked


class Held(NamedTuple):
    """The rows of some keys of one tenant.

    at: of the gate's clock (µs). gap: why an answer cannot rest on it (`not_ready`, `stale`, `unknown_tenant_key`),
    else empty. several: other keys of the same person may be live, while root keys are being changed.
    """

    views: tuple[View, ...]
    at: int
    rules: Tenant
    gap: str
    several: bool = False


def held(gate: Gate, tenant: str, keys: Sequence[bytes]) -> Held:
    """The rows of these subject keys (19 bytes each) as of now. A key without a row has no view.

    What stands under an address's base form alone is not seen: a key does not tell its address.
    """
    checker = gate._checker
    moment = checker.moment(settled=True)
    policy = moment.known.policy
    rules = DEFAULTS if policy is None else policy.tenant(tenant)
    if not checker._same_keys(moment.known.keys):
        return Held((), moment.wall, rules, "unknown_tenant_key")
    asked = Asked(tuple(dict.fromkeys(keys)), bare=True)
    found, whole = checker._look(asked, moment.get)
    views, _, sound = checker._views(asked, found, tenant)
    gap = moment.gap
    if not (whole and sound) or policy is None or checker.reading.session != moment.known.session:
        gap = gap or "not_ready"
    return Held(tuple(views), moment.wall, rules, gap, len(moment.known.keys) > 1)
