"""`/p/{token}`: what a person may choose, and what is held. See the package for the whole of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import web

from consent_stream.edge.clients import client
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.pages import saying
from consent_stream.edge.pages.catalogue import Catalogue, catalogue, choose
from consent_stream.edge.pages.everywhere import Ask, read_receipts
from consent_stream.edge.pages.forms import BadSeal, Wish, read_wish, unseal
from consent_stream.edge.pages.guard import own_form
from consent_stream.edge.pages.render import ASSETS, HEADERS, answer, asset, html, url
from consent_stream.edge.pages.room import Room, Status, Visit
from consent_stream.edge.tokens import UnknownLink
from consent_stream.http.bodies import expect, read_within
from consent_stream.http.problems import Problem

LARGEST_FORM = 128 * 1024  # bytes
WAIT_S = 1.0  # for the senders, before the page after a choice is shown
LOOKS = 10  # reloads of a page without script


def routes(edge: Edge, ask: Ask | None = None) -> Iterable[web.RouteDef]:
    """Every route of the preference centre. ask: how it stands at all senders. Errors: ConfigError."""
    handlers = _Handlers(Room(edge, ask))
    return [
        web.get("/p/-/{name}", handlers.asset, expect_handler=expect),
        web.get("/p/{token}", handlers.look, expect_handler=expect),
        web.post("/p/{token}", handlers.choose, expect_handler=expect),
        web.get("/p/{token}/state", handlers.state, expect_handler=expect),
        web.post("/p/{token}/fresh", handlers.fresh, expect_handler=expect),
    ]


class _Handlers:
    def __init__(self, room: Room) -> None:
        self.room = room
        self.edge = room.edge

    async def asset(self, request: web.Request) -> web.Response:
        """A style sheet or a script."""
        name = request.match_info["name"]
        if name not in ASSETS:
            raise web.HTTPNotFound
        return asset(name)

    async def look(self, request: web.Request) -> web.Response:
        """The page. It changes nothing; a HEAD is remembered, for scanners begin with one."""
        cat = _language(request)
        try:
            visit = self._visit(request, cat)
        except UnknownLink:
            return self._unknown(request, cat)
        if request.method == "HEAD":
            self.edge.watch.head(visit.token, visit.remote, self.edge.clock())
        if wait := self._limited(visit):
            return self._too_many(request, cat, wait)
        receipts = read_receipts(request.query.get("r", "")) or ()
        status = await self._status(request, visit, receipts)
        return self._page(visit, status=status)

    async def state(self, request: web.Request) -> web.Response:
        """Whether receipts are in force at all senders: for the script of the page."""
        try:
            visit = self._visit(request, catalogue("en"))
        except UnknownLink:
            raise Problem("not-found") from None
        if self._limited(visit):
            raise Problem("too-many", headers={"Retry-After": "5"})
        receipts = read_receipts(request.query.get("r", "")) or ()
        found = {"state": await self.room.everywhere.state(receipts)}
        return web.Response(body=orjson.dumps(found), content_type="application/json", headers=HEADERS)

    async def choose(self, request: web.Request) -> web.Response:
        """A form. Every no in it is taken, whoever sent it and how often; a yes needs a seal and our own page."""
        cat = _language(request)
        try:
            visit = self._visit(request, cat)
        except UnknownLink:
            return self._unknown(request, cat)
        fields = await self._fields(request)
        if fields is None:
            return self._page(visit, 400, errors=[cat["error.bad_form"]])
        wait = self._limited(visit)
        confirming = ("do", "confirm") in fields
        wish = Wish() if confirming else read_wish(fields)
        marks = self.edge.watch.marks(visit.token, visit.link.issued, visit.remote, self.edge.clock())
        said = saying.noes(visit.reader.who, wish)
        if wait and not said:
            return self._too_many(request, cat, wait)
        later: list[saying.Yes] = []
        error = ""
        if (wish.on or confirming) and not wait:
            try:
                now, later, notice = self._yeses(request, visit, dict(fields).get("seal", ""), wish, confirming)
                said += saying.yeses(visit.reader.who, now, notice) + saying.asked(visit.reader.who, later, notice)
            except BadSeal:
                error = cat["error.choose_again"]
        elif wish.on:  # beside a no, which is taken
            error = cat("error.too_many", seconds=wait)
        try:
            receipts = await self._say(visit, said, marks)
        except Unavailable as away:
            page = self._page(visit, 503, errors=[cat["error.unavailable"]])
            page.headers["Retry-After"] = str(away.retry_after)
            return page
        if later:
            return self._confirm(visit, later, notice, bool(said) and len(said) > len(later))
        if error:
            return self._page(visit, 429 if wait else 400, errors=[error])
        where = url(visit.path, r=",".join(receipts), m="" if said else "nothing", lang=request.query.get("lang", ""))
        return _see_other(where)

    def _yeses(
        self, request: web.Request, visit: Visit, seal: str, wish: Wish, confirming: bool
    ) -> tuple[list[saying.Yes], list[saying.Yes], dict[str, Any]]:
        """What is said now, and what is asked for a second time, with the notice. Errors: BadSeal."""
        if not own_form(request, self.edge.base_url):
            raise BadSeal
        told = unseal(self.room.secret(visit.link.tenant), visit.token, self.edge.clock(), seal)
        step = "confirm" if confirming else "choose"
        notice = told.get("notice")
        if told.get("step") != step or not visit.reader.fresh or not notice:
            raise BadSeal
        items = told["items"]
        wanted = [
            saying.Yes(saying.node_of(item, visit.link.channel), tuple(items[item]["names"]), items[item]["level"])
            for item in (items if confirming else wish.on)
            if item in items  # the page offered it
        ]
        if confirming:
            return wanted, [], notice
        now = [each for each in wanted if each.level < 4]
        return now, [each for each in wanted if each.level == 4], notice

    async def _say(self, visit: Visit, said: list[saying.Say], marks: list[str]) -> tuple[str, ...]:
        if not said:
            return ()
        more = {"suspect": marks} if marks else {}
        at = self.edge.clock()
        events = [event(type, saying.SOURCE, visit.link.tenant, at=at, **{**data, **more}) for type, data in said]
        return await self.edge.door.accept(events)

    async def fresh(self, request: web.Request) -> web.Response:
        """A fresh link, by mail to the address that this link went to."""
        cat = _language(request)
        try:
            visit = self._visit(request, cat)
        except UnknownLink:
            return self._unknown(request, cat)
        if wait := self._limited(visit):
            return self._too_many(request, cat, wait)
        fields = await self._fields(request)
        typed = dict(fields or ()).get("address", "").strip()
        if "@" not in typed or len(typed) > 320:
            return self._page(visit, 400, errors=[{"field": "address", "text": cat["error.address"]}])
        self.room.send_fresh(visit, typed, cat)
        return _see_other(url(visit.path, m="fresh", lang=request.query.get("lang", "")))

    # -- what they share -----------------------------------------------------------------------------

    def _visit(self, request: web.Request, cat: Catalogue) -> Visit:
        token = request.match_info["token"]
        return self.room.visit(token, client(request, self.edge.proxies), cat)

    def _limited(self, visit: Visit) -> int:
        return self.room.limited(visit.token, visit.remote)

    async def _fields(self, request: web.Request) -> list[tuple[str, str]] | None:
        """The fields of a urlencoded form; None for what is none."""
        try:
            body = await read_within(request, self.edge.limits, LARGEST_FORM)
            if request.content_type != "application/x-www-form-urlencoded":
                return None
            return parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=1000)
        except (Problem, ValueError):
            return None

    async def _status(self, request: web.Request, visit: Visit, receipts: tuple[str, ...]) -> Status | None:
        """What happened to a choice that was made just now."""
        cat = visit.cat
        message = request.query.get("m", "")
        if message in ("nothing", "fresh") and not receipts:
            key = "status.nothing" if message == "nothing" else "status.asked_fresh"
            return Status(message, (cat[key],))
        if not receipts or request.method == "HEAD":
            return None
        state = await self.room.everywhere.state(receipts, WAIT_S)
        if state in ("in_force", "spooled"):
            return Status(state, (cat[f"status.{state}"],))
        recorded = cat["status.recorded"]
        if state == "unknown":
            return Status(state, (recorded,))
        told, language = ",".join(receipts), request.query.get("lang", "")
        seen = request.query.get("n", "0")
        looks = int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 4 else LOOKS
        again, poll = url(visit.path, r=told, lang=language), url(f"{visit.path}/state", r=told)
        refresh = url(visit.path, r=told, n=str(looks + 1), lang=language) if looks < LOOKS else ""
        return Status(state, (recorded, cat["status.waiting"]), again, poll, refresh)

    def _page(
        self,
        visit: Visit,
        code: int = 200,
        status: Status | None = None,
        errors: list[Any] | None = None,
    ) -> web.Response:
        found = [each if isinstance(each, dict) else {"field": "", "text": each} for each in errors or ()]
        return answer(self.room.show(visit, status, found), visit.cat.language, code)

    def _confirm(self, visit: Visit, later: list[saying.Yes], notice: dict[str, Any], saved: bool) -> web.Response:
        return answer(self.room.ask_again(visit, later, notice, saved), visit.cat.language)

    def _unknown(self, request: web.Request, cat: Catalogue) -> web.Response:
        return self._message(request, cat, "error.not_found_title", cat["error.not_found"], 404)

    def _too_many(self, request: web.Request, cat: Catalogue, wait: int) -> web.Response:
        text = cat("error.too_many", seconds=wait)
        response = self._message(request, cat, "error.too_many_title", text, 429)
        response.headers["Retry-After"] = str(wait)
        return response

    def _message(self, request: web.Request, cat: Catalogue, title: str, text: str, status: int) -> web.Response:
        page = html("message", cat, self.room.root, "", title=cat[title], text=text)
        return answer(page, cat.language, status)


def _language(request: web.Request) -> Catalogue:
    return catalogue(choose(request.query.get("lang"), request.headers.get("Accept-Language", "")))


def _see_other(where: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "Location": where})
