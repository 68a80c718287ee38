"""A second, naive reading of the rules: it keeps every event and answers a question by looking at all of them.

Written from the text alone, without registers, slots, folds or derived facts that travel; slow on purpose. It shares
nothing with the product but canonical addresses and the function that makes subject keys. What it says of one event is
in `model_events.py`; here is what follows from many.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .model_events import ADULT, FIVE_MINUTES, LEVEL, Heard, Node, Saying, adult, hear, instant, over

KeyOf = Callable[[str, str, str], bytes]
ORDER = [
    "legal",
    "deceased",
    "frozen",
    "suppressed_by_staff",
    "minor",
    "minor_suspected",
    "erased",
    "reassigned",
    "complaint",
    "objected",
    "global_opt_out",
    "sharing_opt_out",
    "sms_stop",
    "sms_stop_review",
    "unsubscribed",
    "topic_opt_out",
    "undeliverable",
    "expired",
    "evidence_too_low",
    "no_consent",
]
CLEARED_BY = {
    "topic_opt_out": 2, "unsubscribed": 3, "sms_stop": 3, "sms_stop_review": 3, "global_opt_out": 3, "objected": 3,
    "sharing_opt_out": 4, "complaint": 4, "reassigned": 4, "erased": 4,
}  # fmt: skip
BASE_KINDS = ("global_opt_out", "objected", "erased", "complaint")


class Model:
    """Hears events in any order, then answers. `key_of` gives the subject key of a canonical address or contact id."""

    def __init__(self, policy: Mapping[str, Any], key_of: KeyOf) -> None:
        self.policy, self.key_of = policy, key_of
        self.heard: list[Heard] = []

    def hear(self, event: Mapping[str, Any], received: int) -> str:
        """Takes one event in; its quarantine code, or ``."""
        heard = hear(event, received, self.policy, self.key_of)
        self.heard.append(heard)
        return heard.code

    def kept_under(self, key: bytes) -> list[Saying]:
        """Everything known of a key: said of it, or reaching it over links, whenever those were made."""
        links = {link for heard in self.heard for link in heard.links}
        found: list[Saying] = []
        for saying in (s for heard in self.heard for s in heard.sayings):
            if saying.key == key:
                found.append(saying)
                continue
            contacts: set[bytes] = set()
            if saying.travels == "from_contact":
                contacts = {saying.key}
            elif saying.travels == "open":
                contacts = {contact for contact, address, _ in links if address == saying.key}
                if key in contacts:
                    found.append(saying._replace(key=key))
                    continue
            if any(c in contacts and a == key and saying.channels & channels for c, a, channels in links):
                found.append(saying._replace(key=key))
        return found

    def reasons(
        self, tenant: str, key: bytes, base: bytes | None, contact: bytes | None, channel: str, purpose: str,
        scope: str, at: int,
    ) -> list[str]:  # fmt: skip
        x = (purpose, "*" if purpose in ("sharing", "profiling") else channel, scope)
        views = [self.kept_under(key)]
        if base is not None and base != key:
            views.append([s for s in self.kept_under(base) if s.what == "restriction" and s.kind in BASE_KINDS])
        if contact is not None:
            views.append(self.kept_under(contact))
        return _Answer(self.policy.get("tenants", {}).get(tenant, {}), x, at, views, channel).reasons()


class _Answer:
    def __init__(self, rules: Mapping[str, Any], x: Node, at: int, views: list[list[Saying]], channel: str) -> None:
        self.rules, self.x, self.at, self.views, self.channel = rules, x, at, views, channel
        self.all = [s for view in views for s in view]
        self.minimum = LEVEL[rules.get("min_evidence", "E2")]
        self.grants = [g for g in self.all if g.what == "grant" and not self.void(g)]

    def reasons(self) -> list[str]:
        found = set(self.blocks())
        purpose = self.x[0]
        if self.x[1] != "*" and self.undeliverable():
            found.add("undeliverable")
        if purpose == "legal_required":
            found &= {"deceased", "undeliverable"}
        elif purpose != "transactional":
            if self.at < self.minor_until():
                found.add("minor")
            if self.rules.get("basis", {}).get(purpose, "consent") == "consent":
                found |= self.without_permission()
        return [reason for reason in ORDER if reason in found]

    # restrictions

    def on_path(self, restriction: Saying) -> bool:
        return restriction.what == "restriction" and over(restriction.node, self.x)

    def blocks(self) -> Iterable[str]:
        for view in self.views:
            for restriction in filter(self.on_path, view):
                if not self.lifted(restriction, view) and not self.cleared(restriction):
                    yield restriction.kind

    def lifted(self, r: Saying, view: list[Saying]) -> bool:
        """By a lift or review kept under the very same key."""
        return any(s.what == "lift" and (s.kind, s.node) == (r.kind, r.node) and r.hi < s.lo <= self.at for s in view)

    def cleared(self, r: Saying) -> bool:
        level = CLEARED_BY.get(r.kind)
        return level is not None and any(
            g.level >= level and r.node in g.names and over(g.node, self.x) and g.lo > r.hi and self.counts(g)
            for g in self.grants
        )

    def undeliverable(self) -> bool:
        view = self.views[0]
        bounced = [s.hi for s in view if s.what == "bounced"]
        delivered = max((s.lo for s in view if s.what == "delivered"), default=None)
        if not bounced:
            return False
        # One delivery is kept, the latest: before its time none is known (READINGS).
        return delivered is None or delivered > self.at or max(bounced) >= delivered

    # age

    def corrections(self, birth: Saying, view: list[Saying]) -> list[int]:
        return [s.lo for s in view if s.what == "lift" and s.kind == "minor" and birth.hi < s.lo <= self.at]

    def minor_until(self) -> int:
        dates = [s.date for view in self.views for s in view if s.what == "birth" and not self.corrections(s, view)]
        return max(map(adult, dates), default=0)

    # permissions

    def void(self, g: Saying) -> bool:
        for s in self.all:
            if s.what == "void" and self.selects(s, g):
                return True
            if s.what == "restriction" and s.kind == "erased" and g.lo <= s.hi:
                return True
            if s.what == "restriction" and s.kind == "reassigned" and g.lo <= s.hi and self.is_sms(g):
                return True
        for view in self.views:
            for birth in (s for s in view if s.what == "birth"):
                corrected = self.corrections(birth, view)
                if g.lo < adult(birth.date) and (not corrected or g.lo <= min(corrected)):
                    return True
        return False

    def is_sms(self, g: Saying) -> bool:
        under_address = any(s is g for s in self.views[0])
        return self.channel == "sms" if under_address else g.node[1] == "sms"

    @staticmethod
    def selects(void: Saying, g: Saying) -> bool:
        how, _, what = void.selector.partition(":")
        if how == "grant":
            return what == f"{g.source}#{g.id}"
        if how == "batch":
            return bool(g.batch) and what == g.batch
        if how == "notice":
            return bool(g.notice) and what == g.notice
        name, _, since = what.rpartition("@")
        from_then = instant(since)
        return (
            bool(g.credential) and name == g.credential and from_then is not None and g.lo >= from_then - FIVE_MINUTES
        )

    def enough(self, g: Saying) -> bool:
        if g.level == 0:
            return False
        if g.level == 1:
            return (
                bool(self.rules.get("allow_migrated")) and self.minimum <= 2 and self.x[0] != "sharing"
                and not any(map(self.on_path, self.all))
            )  # fmt: skip
        return g.level >= self.minimum

    def counts(self, g: Saying) -> bool:
        return g.lo <= self.at < g.valid_until and self.enough(g)

    def without_permission(self) -> set[str]:
        covering = [g for g in self.grants if over(g.node, self.x) and g.lo <= self.at]
        if any(self.counts(g) for g in covering):
            return set()
        if any(self.enough(g) for g in covering):
            return {"expired"}
        return {"evidence_too_low"} if any(self.at < g.valid_until for g in covering) else {"no_consent"}


__all__ = ["ADULT", "Model"]
