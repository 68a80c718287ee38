"""What an event says of when, whom and where: the part of the naive reading that every type shares."""

from collections.abc import Mapping
from typing import Any

from .model_events import BOTH, KeyOf, Node, Saying, addresses, contacts, good_scope, instant, when

PERSON = (
    "global_opt_out",
    "objected",
    "sharing_opt_out",
    "erased",
    "minor_suspected",
    "frozen",
    "suppressed_by_staff",
    "deceased",
    "legal",
)
BASE_KINDS = ("global_opt_out", "objected", "erased", "complaint")


class Reading:
    """One event while it is read."""

    def __init__(
        self, event: Mapping[str, Any], received: int, policy: Mapping[str, Any], key_of: KeyOf, tenant: str, name: str,
        version: str, flawed: bool,
    ) -> None:  # fmt: skip
        self.data = event["data"] if isinstance(event.get("data"), dict) else {}
        self.event, self.received, self.policy, self.tenant = event, received, policy, tenant
        self.name, self.version, self.flawed = name, version, flawed
        self.id = event["id"] if isinstance(event.get("id"), str) else ""
        self.source = event["source"] if isinstance(event.get("source"), str) else ""
        self.rules = policy.get("tenants", {}).get(tenant, {})
        self.channel = self.data.get("channel")
        if name in ("sms.inbound", "number.reassigned", "number.deactivated"):
            self.channel = "sms"
        self.contacts = list(contacts(self.data, tenant, key_of))
        self.addresses = list(addresses(self.data, self.channel, tenant, key_of))
        self.sayings: list[Saying] = []
        self.codes: list[str] = []
        self.times()

    def times(self) -> None:
        found = self.policy.get("sources", {}).get(self.source)
        ours = found and (self.tenant in found["tenants"] or "*" in found["tenants"])
        self.registered = found if ours and self.tenant in self.policy.get("tenants", {}) else None
        clock = self.registered["clock"] if self.registered else "undated"
        if self.name == "import.row" and self.registered:
            clock = "dated"
        self.time = instant(self.event.get("time"))
        self.lo, self.hi, self.no_time = when(clock, self.time, self.received)

    def keys(self) -> list[bytes]:
        return self.contacts + [a.key for a in self.addresses]

    def links(self) -> set[tuple[bytes, bytes, frozenset[str]]]:
        return {(c, a.key, a.channels) for c in self.contacts for a in self.addresses}

    def say(self, key: bytes, what: str, **more: Any) -> None:
        self.sayings.append(Saying(key, what, id=self.id, source=self.source, **more))

    # where a restriction goes

    def restrict(self, kind: str, node: Node, hi: int | None = None) -> None:
        fact = {"kind": kind, "node": node, "hi": self.hi if hi is None else hi}
        if kind in PERSON:
            self.of_the_person("restriction", **fact)
            based = self.addresses
        else:
            based = self.on_the_address(
                fact, "sms" if kind in ("sms_stop", "sms_stop_review", "reassigned") else node[1]
            )
        if kind in BASE_KINDS:
            for address in based:
                if address.base:
                    self.say(address.base, "restriction", **fact)

    def of_the_person(self, what: str, **fact: Any) -> None:
        for contact in self.contacts:
            self.say(contact, what, travels="from_contact", **fact)
        for address in self.addresses:
            self.say(address.key, what, travels="" if self.contacts else "open", **fact)

    def on_the_address(self, fact: Mapping[str, Any], channel: str) -> list[Any]:
        channels = BOTH if channel == "*" else frozenset((channel,))
        there = [a for a in self.addresses if a.channels & channels]
        for address in there:
            self.say(address.key, "restriction", **fact)
        if channel == "*" or not any(a.readable for a in there):
            for contact in self.contacts:
                self.say(contact, "restriction", travels="from_contact", channels=channels, **fact)
        if not any(a.readable for a in there) and not self.contacts:
            for address in self.addresses:
                if address not in there:
                    self.say(address.key, "restriction", **{**fact, "node": (fact["node"][0], "*", "*")})
        return there

    def scope(self) -> str:
        scope = self.data.get("scope", "*")
        ends_like_one = self.version != "v1" and self.name.endswith((".withdrawn", ".optout"))
        return scope if good_scope(scope) and not ends_like_one else "*"

    def about(self, scope: str) -> list[tuple[str, str]]:
        """(channel, scope) pairs that a restriction is for."""
        channel = self.channel
        if channel is None:
            named = [a.channels for a in self.addresses]
            if len(named) == 1 and len(named[0]) == 1:
                channel = min(named[0])
            elif scope != "*":
                return [("email", scope), ("sms", scope)]
        return [(channel, scope)] if channel in ("email", "sms") else [("*", "*")]
