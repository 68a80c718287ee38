"""What a page says to one person, before it is HTML. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from consent_stream.domain.decide import question
from consent_stream.domain.nodes import ANY, Node
from consent_stream.domain.policy import Policy, version_text
from consent_stream.edge.pages.catalogue import Catalogue
from consent_stream.edge.pages.config import Shown, text_in
from consent_stream.edge.pages.saying import Subject, other
from consent_stream.edge.pages.standing import Choice, Fact, choice, facts, scopes
from consent_stream.gate.holding import Held

FRESH = 7 * 24 * 3600 * 1_000_000  # µs in which a link proves that the address is the reader's
AHEAD = 300 * 1_000_000


class Item(NamedTuple):
    """One box. why: one line below it, if any. can: whether it may be turned on from here."""

    id: str
    label: str
    on: bool
    can: bool
    nested: bool
    why: str


class Line(NamedTuple):
    """One line of what is held."""

    what: str
    about: str
    since: str
    state: str


@dataclass
class Page:
    """All that a template needs. told: for the seal, what each yes would reopen."""

    title: str
    heading: str
    intro: str
    marketing: list[Item] = field(default_factory=list)
    sharing: list[Item] = field(default_factory=list)
    held: list[Line] = field(default_factory=list)
    told: dict[str, Any] = field(default_factory=dict)
    known: bool = True
    several: bool = False
    bounces: bool = False
    fresh: bool = False
    can_say_yes: bool = False
    notice: str = ""
    notice_text: str = ""


class Reader(NamedTuple):
    """Who reads, and what of. fresh: whether the link proves control of the address."""

    who: Subject
    tenant: str
    fresh: bool


def is_fresh(issued: int, now: int) -> bool:
    """Whether a link made then (s) still proves control of the address at `now` (µs)."""
    return -AHEAD <= now - issued * 1_000_000 <= FRESH


def covered(policy: Policy, tenant: str, notice: tuple[str, int | str] | None, now: int) -> frozenset[str]:
    """The purposes that the notice covers now; none for one that the policy does not have."""
    if notice is None:
        return frozenset()
    known = policy.notices.get((tenant, notice[0], version_text(notice[1]) or ""))
    return frozenset() if known is None or known.effective > now else known.purposes


def compose(
    reader: Reader, shown: Shown, mailed: Held | None, shared: Held | None, policy: Policy, now: int, cat: Catalogue
) -> Page:
    """The page of a person. mailed: rows of the channel's list, shared: of the sharing list; None where no gate is."""
    who = reader.who
    page = Page(
        cat("page.title", sender=shown.name),
        cat("page.heading", sender=shown.name),
        cat[f"page.intro_{who.channel}"],
        fresh=reader.fresh,
    )
    purposes = covered(policy, reader.tenant, shown.notice, now) if reader.fresh else frozenset()
    words = _Words(cat, shown)
    for held, purpose, target in ((mailed, "marketing", page.marketing), (shared, "sharing", page.sharing)):
        if held is None or held.gap:
            page.known = False
        target += _items(page, held, purpose, who.channel, shown, purpose in purposes, words)
    page.can_say_yes = bool(purposes) and page.known
    page.several = any(held is not None and held.several for held in (mailed, shared))
    lines: dict[Fact, None] = {}
    for held in (mailed, shared):
        if held is not None:
            lines |= dict.fromkeys(facts(held.at, held.views, held.rules, who.channel))
    page.held = [words.line(fact) for fact in sorted(lines, key=lambda fact: -fact.since)]
    page.bounces = mailed is not None and any(fact.kind == "bounce" for fact in lines)
    if shown.notice is not None:
        page.notice = cat("notice.version", id=shown.notice[0], version=shown.notice[1])
        page.notice_text = text_in(shown.notice_text, cat.language) or cat("notice.none", sender=shown.name)
    return page


def _items(
    page: Page, held: Held | None, purpose: str, channel: str, shown: Shown, may: bool, words: _Words
) -> list[Item]:
    prefix, names = ("m:", shown.programs) if purpose == "marketing" else ("s:", shown.sharing)
    views = () if held is None else held.views
    found = scopes(purpose, channel, names, views)
    broad = any(terms[0].scope == ANY and terms[0].purpose == purpose for v in views for terms in v.registers.groups)
    if not found or broad:
        found.insert(0, ANY)
    items = []
    for scope in found:
        x = question(purpose, channel, scope)
        if held is None or held.gap:
            how = Choice(x, True)  # unknown: shown as a no that can be said
        else:
            how = choice(x, held.at, held.views, held.rules, channel)
        known = held is not None and not held.gap
        can = may and known and not how.on and not how.shut
        if can:
            page.told[prefix + scope] = {"names": [str(n) for n in how.names], "level": how.level}
        items.append(Item(prefix + scope, words.scope(purpose, channel, scope), how.on and known, can or how.on,
                          "/" in scope, words.why(how, can, known)))  # fmt: skip
    return items


class _Words:
    """Nodes, reasons and facts in a language."""

    def __init__(self, cat: Catalogue, shown: Shown) -> None:
        self.cat, self.shown = cat, shown

    def scope(self, purpose: str, channel: str, scope: str) -> str:
        if scope == ANY:
            return self.cat["sharing.any" if purpose == "sharing" else f"marketing.all_{channel}"]
        names = self.shown.sharing if purpose == "sharing" else self.shown.programs
        return text_in(names[scope], self.cat.language) if scope in names else scope

    def node(self, n: Node) -> str:
        if n.purpose == ANY:
            return self.cat["about.everything"] + (f" {self.cat['about.' + n.channel]}" if n.channel != ANY else "")
        words = [self.cat[f"about.{n.purpose}"]]
        if n.channel != ANY:
            words.append(self.cat[f"about.{n.channel}"])
        text = " ".join(words)
        return text if n.scope == ANY else f"{text}: {self.scope(n.purpose, n.channel, n.scope)}"

    def nodes(self, found: Sequence[Node]) -> str:
        return "; ".join(self.node(n) for n in found)

    def reason(self, reason: str) -> str:
        key = f"kind.{reason}"
        text = self.cat[key if key in self.cat else f"why.{reason}"]
        return text[0].lower() + text[1:] if self.cat.language != "de" and not text.startswith("STOP") else text

    def why(self, how: Choice, can: bool, known: bool) -> str:
        if how.on or not known:
            return ""
        if how.shut:
            shut = "; ".join(map(self.reason, how.shut))
            return self.cat("why.shut", reasons=shut, sender=self.shown.name)
        text = "; ".join(map(self.reason, how.reasons))
        text = text[0].upper() + text[1:] + "."
        return f"{text} {self.cat('why.reopens', names=self.nodes(how.names))}" if can and how.names else text

    def line(self, fact: Fact) -> Line:
        what = self.cat[f"kind.{fact.kind}"]
        if fact.notice:
            what = f"{what} ({self.cat('held.notice', notice=fact.notice)})"
        state = self.cat[f"state.{fact.comes_to}"]
        if fact.comes_to == "counts":
            state = f"{state} {self.cat('held.until', day=self.cat.day(fact.until))}"
        return Line(what, self.node(fact.node), self.cat.day(fact.since), state)


def names_in_words(nodes: Sequence[Node], shown: Shown, cat: Catalogue) -> list[str]:
    """Nodes as people read them."""
    words = _Words(cat, shown)
    return [words.node(n) for n in nodes]


def other_channel(who: Subject) -> str | None:
    """The channel that can be stopped from here besides, when the person behind the address is known."""
    return other(who.channel) if who.contact is not None else None
