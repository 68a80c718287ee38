"""What each permitting type says, and the types that do both: the naive reading."""

import re
from typing import Any

from .model_events import (
    BOTH,
    CODES,
    EVERYTHING,
    LEVEL,
    PERMISSIONS,
    Node,
    Refused,
    day,
    good_scope,
    instant,
    months_on,
    read_node,
)
from .model_restrictions import Restricting

OUT = [
    "stop",
    "stopall",
    "unsubscribe",
    "cancel",
    "end",
    "quit",
    "revoke",
    "optout",
    "remove",
    "arret",
    "td",
    "alto",
    "baja",
    "stopp",
]


class Permitting(Restricting):
    """All types."""

    def read(self) -> None:
        if self.flawed and self.name in PERMISSIONS:
            self.codes.append("not_cloudevent")
            return
        kind = self.name.replace(".", "_")
        try:
            getattr(self, kind, self.like_unsubscribed)()
        except Refused as refused:
            self.codes.append(str(refused))

    def admitted_source(self) -> None:
        if not self.registered:
            raise Refused("unknown_source")
        if self.name != "delivery.succeeded" and any(not a.readable for a in self.addresses):
            raise Refused("bad_address")
        if self.no_time:
            raise Refused(self.no_time)

    def approvers(self) -> set[str]:
        people = self.data.get("approved_by", [])
        return {person.strip().casefold() for person in people if person.strip()}

    def clear(self, kinds: tuple[str, ...], kind: object, node: object) -> None:
        read = EVERYTHING if kind == "minor" else read_node(node)
        if read is None:
            raise Refused("bad_value")
        if kind in kinds:
            for key in self.keys():
                self.say(key, "lift", kind=kind, node=read, lo=self.lo)

    def admin_lift(self) -> None:
        self.admitted_source()
        if len(self.approvers()) < 2:
            raise Refused("needs_two_people")
        kind, node = self.data.get("kind"), self.data.get("node")
        if self.name == "subject.restriction_lifted" and node is None:
            kind, node = "frozen", "*:*:*"
        self.clear(("frozen", "suppressed_by_staff", "deceased", "legal", "minor"), kind, node)

    subject_restriction_lifted = admin_lift

    def review_cleared(self) -> None:
        self.admitted_source()
        if not self.approvers():
            raise Refused("needs_reviewer")
        self.clear(("sms_stop_review", "minor_suspected"), self.data.get("kind"), self.data.get("node"))

    def delivery_succeeded(self) -> None:
        self.admitted_source()
        readable = [a for a in self.addresses if a.readable]
        masks = {a.channels for a in readable}
        if self.channel in BOTH:
            wanted = frozenset((self.channel,))
        else:
            wanted = masks.pop() if len(masks) == 1 else frozenset()
        for address in readable:
            if wanted & address.channels:
                self.say(address.key, "delivered", lo=self.lo)

    # permissions

    def recorded(self) -> None:
        """Says nothing that a decision reads."""

    consent_requested = feedback_not_spam = recorded

    def consent_granted(self) -> None:
        self.grant(self.data.get("purpose", "marketing"), self.data.get("scope", "*"))

    consent_confirmed = consent_renewed = consent_granted

    def sharing_optin(self) -> None:
        self.grant("sharing", self.data.get("scope", "*"))

    sharing_optin_confirmed = sharing_optin

    def preference_set(self) -> None:
        topics = self.data.get("topics")
        if not isinstance(topics, dict):
            raise Refused("bad_value")
        for scope, wanted in topics.items():
            if wanted is False:
                self.unwanted(scope)
                continue
            try:
                if wanted is not True:
                    raise Refused("bad_value")
                if self.version != "v1":
                    raise Refused("unknown_type")
                self.grant(self.data.get("purpose", "marketing"), scope)
            except Refused as refused:
                self.codes.append(str(refused))

    def unwanted(self, scope: object) -> None:
        """For another purpose than marketing a no acts as a withdrawal (READINGS)."""
        purpose, of = self.data.get("purpose"), str(scope) if good_scope(scope) else "*"
        if purpose in ("sharing", "profiling", "*"):
            self.withdraw(purpose, of)
            return
        for channel, each in self.about(of):
            about = "transactional" if purpose == "transactional" else "marketing"
            self.restrict("topic_opt_out", (about, channel, each))

    def import_row(self) -> None:
        status = self.data.get("status")
        purpose = self.data.get("purpose")
        if status == "unsubscribed" and purpose in ("sharing", "profiling", "transactional", "*"):
            self.withdraw(purpose, self.scope())
        elif status == "unsubscribed":
            self.unsubscribe_oneclick()
        elif status == "complained":
            for channel, _ in self.about("*"):
                self.restrict("complaint", ("marketing", channel, "*"))
        elif status == "bounced":
            self.bounce()
        elif status != "subscribed":
            raise Refused("bad_value")
        elif self.version != "v1":
            raise Refused("unknown_type")
        else:
            self.grant(self.data.get("purpose", "marketing"), self.data.get("scope", "*"))

    def sms_inbound(self) -> None:
        text = self.data.get("text")
        meaning = text_meaning(text) if isinstance(text, str) else "sms_stop_review"
        stop: Node = ("*", "sms", "*")
        program = self.data.get("program")
        if self.rules.get("stop_scope") == "program" and good_scope(program) and program != "*":
            stop = ("marketing", "sms", str(program))
        if meaning in ("sms_stop", "sms_stop_review"):
            self.restrict(meaning, stop)
        elif meaning == "start":
            if self.version != "v1":
                raise Refused("unknown_type")
            program = program if program is not None else self.rules.get("sms_program")
            before = len(self.sayings)
            try:
                self.grant("marketing", program, also=stop, program=program)
                self.grant("transactional", "*", also=stop, any_purpose=True, program=program)
            except Refused:
                del self.sayings[before:]
                raise

    def grant(
        self, purpose: Any, scope: Any, also: Node | None = None, any_purpose: bool = False, program: object = "-"
    ) -> None:
        wrong: set[str] = set()
        channel, targets = self.where(purpose, wrong)
        if program is None:
            wrong.add("no_program")
        if self.flawed:
            wrong.add("not_cloudevent")
        if not self.registered:
            wrong.add("unknown_source")
        if any(not a.readable for a in self.addresses):
            wrong.add("bad_address")
        if self.no_time:
            wrong.add(self.no_time)
        if self.name == "import.row" and not wrong - {"bad_value"} and not self.proven():
            return
        notice = self.notice(purpose, any_purpose, wrong)
        node = read_node(f"{purpose}:{channel}:{scope}") if good_scope(scope) else None
        level, names = self.level(), self.names()
        until = instant(self.data["valid_until"]) if self.data.get("valid_until") is not None else -1
        if node is None or level is None or names is None or until is None:
            wrong.add("bad_value")
        if wrong:
            raise Refused(min(wrong, key=CODES.index))
        assert node is not None
        assert level is not None
        assert names is not None
        assert until is not None
        assert self.time is not None
        if until == -1:
            until = months_on(self.time, self.rules.get("consent_valid_months", 24))
        for key in targets:
            held = min(level, 2) if key in self.contacts else level
            self.say(
                key, "grant", node=node, lo=self.lo, level=held, valid_until=until, notice=notice,
                names=names | {node} | ({also} if also else set()), batch=str(self.data.get("batch") or ""),
                credential=str(self.data.get("credential") or ""),
            )  # fmt: skip
            if self.name == "consent.confirmed" and held >= 3:
                self.say(key, "delivered", lo=self.lo)

    def where(self, purpose: object, wrong: set[str]) -> tuple[str, list[bytes]]:
        channel = self.channel
        if channel not in (None, "email", "sms", "*"):
            wrong.add("bad_value")
        if channel is None and any(a.channels == BOTH for a in self.addresses):
            wrong.add("no_channel")
        if purpose in ("sharing", "profiling"):
            channel = "*"
        elif channel is None:
            channels = {c for a in self.addresses for c in a.channels}
            if len(channels) != 1:
                wrong.add("no_channel")
            channel = min(channels, default="*")
        there = [a.key for a in self.addresses if channel == "*" or channel in a.channels] or self.contacts
        if not there and "bad_value" not in wrong:
            wrong.add("no_subject")
        return str(channel), there

    def notice(self, purpose: object, any_purpose: bool, wrong: set[str]) -> str:
        cited = self.data.get("notice")
        if cited is None and self.name == "sms.inbound":
            cited = self.rules.get("sms_notice")
        if cited is None:
            wrong.add("no_notice")
            return ""
        for known in self.policy.get("notices", {}).get(self.tenant, []):
            if known["id"] == cited["id"] and str(known["version"]) == str(cited["version"]):
                effective = instant(known["effective"])
                if self.time is not None and effective is not None and effective > self.time:
                    break
                if not any_purpose and purpose not in known["purposes"]:
                    wrong.add("purpose_not_in_notice")
                return f"{cited['id']}@{cited['version']}"
        wrong.add("unknown_notice")
        return ""

    def proven(self) -> bool:
        same_day = self.time is not None and self.data.get("date") == day(self.time).isoformat()
        return same_day and all(self.data.get(name) for name in ("method", "notice", "origin"))

    def level(self) -> int | None:
        claim = self.data.get("evidence")
        if claim is not None and claim not in LEVEL:
            return None
        claimed = LEVEL[claim] if claim is not None else None
        by_type = {"import.row": 1, "sharing.optin": 2, "sharing.optin_confirmed": 4, "sms.inbound": 3}
        if self.name in by_type:
            level = by_type[self.name]
        elif self.name == "consent.confirmed":
            level = 4 if claimed == 4 else 3
        elif self.name == "preference.set":
            level = 3 if claimed is not None and claimed >= 3 else 2
        else:
            level = 2 if claimed is None else claimed
        cap = LEVEL[self.registered["max_evidence"]] if self.registered else 4
        return min(level, cap, 4 if claimed is None else claimed)

    def names(self) -> frozenset[Node] | None:
        nodes = [read_node(text) for text in self.data.get("names", [])]
        return None if None in nodes else frozenset(n for n in nodes if n)


def text_meaning(text: str) -> str:
    """Good for ASCII letters, spaces and apostrophes: the texts that the histories use."""
    words = re.sub(r"[^a-z ]", "", text.lower()).split()
    if any(word in OUT for word in words):
        if len(words) > 5 or re.search(r"\b(dont|do not|never) stop\b", " ".join(words)):
            return "sms_stop_review"
        return "sms_stop"
    return "start" if " ".join(words) in ("start", "unstop") else ""
