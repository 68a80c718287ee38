"""What the handlers of the preference centre share: who visits, what is held of them, pages, limits, letters."""

from __future__ import annotations

import asyncio
import logging
import smtplib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from consent_stream.domain.nodes import parse_node
from consent_stream.edge.clients import network
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.pages import saying
from consent_stream.edge.pages.catalogue import Catalogue
from consent_stream.edge.pages.config import read_pages, text_in
from consent_stream.edge.pages.everywhere import Ask, Everywhere
from consent_stream.edge.pages.forms import seal
from consent_stream.edge.pages.fresh import keys_of, letter, post
from consent_stream.edge.pages.page import Reader, compose, is_fresh, names_in_words, other_channel
from consent_stream.edge.pages.render import html, url
from consent_stream.edge.rates import Rate
from consent_stream.edge.suspects import Watch
from consent_stream.edge.tokens import Link
from consent_stream.gate.holding import Held, held
from consent_stream.inspection.barrier import Barrier
from consent_stream.inspection.gatereports import await_events

log = logging.getLogger(__name__)
LETTERS_AT_ONCE = 20


class Visit(NamedTuple):
    """One request with a good link. path: of its page, as seen from outside."""

    token: str
    link: Link
    reader: Reader
    remote: str | None
    path: str
    cat: Catalogue


class Status(NamedTuple):
    """What became of a choice. again, poll, refresh: URLs to look again: for people, the script, the browser."""

    state: str
    lines: tuple[str, ...]
    again: str = ""
    poll: str = ""
    refresh: str = ""


class Room:
    """The preference centre of an edge. Errors: ConfigError."""

    def __init__(self, edge: Edge, ask: Ask | None = None) -> None:
        self.edge = edge
        self.config = read_pages(edge.config)
        edge.watch, edge.proxies = Watch(self.config.scanners, self.config.soon), self.config.proxies
        self.everywhere = Everywhere(ask or self._ask)
        self.root = urlsplit(edge.base_url).path.rstrip("/")
        self._per_link = Rate(self.config.per_link, int(self.config.per_link))
        self._per_network = Rate(self.config.per_network, int(self.config.per_network))
        self._letters_per_link = Rate(3 / 60, 3)  # three at once, then three an hour
        self._letters: set[asyncio.Task[None]] = set()

    def visit(self, token: str, remote: str | None, cat: Catalogue) -> Visit:
        """Errors: UnknownLink."""
        link = self.edge.links.read(token)
        contact = next((key.hex() for key in link.keys if key[1:2] == b"c"), None)
        proves = any(key[1:2] == b"a" for key in link.keys) and is_fresh(link.issued, self.edge.clock())
        who = saying.Subject(link.channel, tuple(key.hex() for key in link.keys), contact, link.message_id)
        return Visit(token, link, Reader(who, link.tenant, proves), remote, f"{self.root}/p/{token}", cat)

    def limited(self, token: str, remote: str | None) -> int:
        """Seconds until the next request is welcome; 0 for now."""
        now = self.edge.clock()
        return self._per_link.wait(token, now) or self._per_network.wait(network(remote), now)

    def secret(self, tenant: str) -> bytes:
        """The key of the tenant's seals."""
        return self.edge.keys.tenant_key(tenant, self.edge.keys.current)

    def show(self, visit: Visit, status: Status | None, errors: Sequence[Mapping[str, str]]) -> str:
        """The page, as HTML."""
        shown, now, link = self.config.of(visit.link.tenant), self.edge.clock(), visit.link
        mailed, shared = self._held(link, link.channel), self._held(link, "sharing")
        page = compose(visit.reader, shown, mailed, shared, self.edge.policy, now, visit.cat)
        told = {"step": "choose", "items": page.told, "notice": _notice(shown.notice)}
        return html(
            "page", visit.cat, self.root, visit.path,
            page=page, title=page.title, sender=shown.name, channel=link.channel, other=other_channel(visit.reader.who),
            contact=shown.contact, status=status, errors=errors, refresh=status.refresh if status else "",
            seal=seal(self.secret(link.tenant), visit.token, now, told), can_mail=self._can_mail(link),
            action=self._here(visit), action_fresh=url(f"{visit.path}/fresh", lang=visit.cat.language),
        )  # fmt: skip

    def ask_again(self, visit: Visit, later: Sequence[saying.Yes], notice: Mapping[str, Any], saved: bool) -> str:
        """The page that asks for the second confirmation and names what it lifts, as HTML."""
        shown, cat = self.config.of(visit.link.tenant), visit.cat
        items = []
        for node, names, _ in later:
            label = names_in_words([node], shown, cat)[0]
            nodes = [found for each in names if (found := parse_node(each)) is not None]
            items.append({"label": label, "lifts": "; ".join(names_in_words(nodes, shown, cat))})
        told = {
            "step": "confirm",
            "items": {_item(each): {"names": each.names, "level": each.level} for each in later},
            "notice": notice,
        }
        return html(
            "confirm", cat, self.root, visit.path,
            title=cat("confirm.title", sender=shown.name), items=items, saved=saved, action=self._here(visit),
            notice=cat("notice.version", **notice) if shown.notice else "",
            notice_text=text_in(shown.notice_text, cat.language) or cat("notice.none", sender=shown.name),
            seal=seal(self.secret(visit.link.tenant), visit.token, self.edge.clock(), told),
        )  # fmt: skip

    def send_fresh(self, visit: Visit, typed: str, cat: Catalogue) -> None:
        """Send a fresh link if that is the address; later, so that nobody can tell by the clock."""
        if len(self._letters) >= LETTERS_AT_ONCE or self._letters_per_link.wait(visit.token, self.edge.clock()):
            return
        task = asyncio.create_task(self._send_fresh(visit, typed, cat))
        self._letters.add(task)
        task.add_done_callback(self._letters.discard)

    async def _send_fresh(self, visit: Visit, typed: str, cat: Catalogue) -> None:
        link, mail = visit.link, self.config.mail
        keys = keys_of(self.edge.keys, link.tenant, typed, link.keys)
        gate = self.edge.gates.get("email")
        if mail is None or not keys or gate is None:
            return
        if not gate.check(tenant=link.tenant, email=typed, purpose="transactional"):
            return
        at = self.edge.clock()
        about = {"keys": [key.hex() for key in keys], "channel": link.channel, "purpose": "marketing"}
        try:
            asked = event("consent.requested", saying.SOURCE, link.tenant, at=at, ident=None, **about)
            await self.edge.door.accept([asked])
            token = self.edge.links.mint(link._replace(keys=keys[:8], message_id="", issued=at // 1_000_000))
            sender = self.config.of(link.tenant).name
            where = url(f"{self.edge.base_url}/p/{token}", lang=cat.language)
            await asyncio.to_thread(post, mail, letter(mail, typed, sender, where, cat))
        except (Unavailable, OSError, smtplib.SMTPException, ValueError) as error:
            log.error("a fresh link was not sent: %s", type(error).__name__)  # its text may hold the address

    def _can_mail(self, link: Link) -> bool:
        return link.channel == "email" and self.config.mail is not None and "email" in self.edge.gates

    def _here(self, visit: Visit) -> str:
        return url(visit.path, lang=visit.cat.language)

    def _held(self, link: Link, channel: str) -> Held | None:
        gate = self.edge.gates.get(channel)
        return None if gate is None else held(gate, link.tenant, link.keys)

    def _ask(self, wanted: Mapping[int, int], seconds: float) -> Barrier:
        return await_events(self.edge.settings, wanted, (), settled=True, seconds=seconds)


def _notice(notice: tuple[str, int | str] | None) -> dict[str, Any] | None:
    return None if notice is None else {"id": notice[0], "version": notice[1]}


def _item(yes: saying.Yes) -> str:
    return ("s:" if yes.node.purpose == "sharing" else "m:") + yes.node.scope
