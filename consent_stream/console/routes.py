"""The routes: pages for who may look, the login, and what an orchestrator asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from consent_stream.console import views
from consent_stream.console.access import own_form
from consent_stream.console.console import LARGEST_FORM, Console
from consent_stream.console.render import ASSETS, asset, page, redirect
from consent_stream.console.search import CHANNELS, KINDS, BadForm, Busy, stopped
from consent_stream.domain.nodes import PURPOSES
from consent_stream.gate.explaining import WORDS
from consent_stream.http import probes
from consent_stream.http.bodies import expect, read_within

PAGES = (
    ("/", "Flow"),
    ("/gates", "Gates"),
    ("/optouts", "Opt-outs"),
    ("/search", "Search"),
    ("/quarantine", "Quarantine"),
)
MOST_FIELDS = 20
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(console: Console) -> Iterable[web.RouteDef]:
    """Every route of a console."""
    pages, door = _Pages(console), _Door(console)
    looked_at: list[tuple[str, Handler]] = [
        ("/", pages.flow),
        ("/gates", pages.gates),
        ("/optouts", pages.optouts),
        ("/search", pages.search),
        ("/found/{id}", pages.found),
        ("/quarantine", pages.quarantine),
    ]
    return [
        *(web.get(path, door.guarded(handler)) for path, handler in looked_at),
        web.post("/search", door.guarded(pages.look_up), expect_handler=expect),
        web.get("/login", door.ask),
        web.post("/login", door.log_in, expect_handler=expect),
        web.post("/logout", door.log_out, expect_handler=expect),
        web.get("/-/{name}", _asset),
        *probes.routes(console, console.metrics.text),
    ]


class _Door:
    """Who comes in."""

    def __init__(self, console: Console) -> None:
        self.console, self.access = console, console.access

    def guarded(self, handler: Handler) -> Handler:
        """The handler for who may look; others are shown the login."""

        async def looked(request: web.Request) -> web.StreamResponse:
            if not self.access.permits(request):
                return redirect("/login") if request.method in ("GET", "HEAD") else self._login(403)
            return await handler(request)

        return looked

    async def ask(self, request: web.Request) -> web.StreamResponse:
        """The login."""
        return redirect("/") if self.access.permits(request) else self._login(200)

    async def log_in(self, request: web.Request) -> web.StreamResponse:
        """The token for a session."""
        if self.access.sessions is None:
            return self._login(403)
        if not own_form(request):
            return self._login(403, "That form was not on this console.")
        if seconds := self.access.wait(request):
            self.console.metrics.login("too_many")
            answer = self._login(429, f"Too many tries: again in {seconds} s.")
            answer.headers["Retry-After"] = str(seconds)
            return answer
        token = (await _form(request, self.console)).get("token", "")
        if not self.access.sessions.admits(token.strip().encode("utf-8", "replace")):
            self.console.metrics.login("refused")
            return self._login(403, "That is not the token.")
        self.console.metrics.login("in")
        answer = redirect("/")
        self.access.begin(answer)
        return answer

    async def log_out(self, request: web.Request) -> web.StreamResponse:
        """The end of a session, in this browser."""
        answer = redirect("/login")
        if own_form(request):
            self.access.end(answer)
        return answer

    def _login(self, status: int, told: str = "") -> web.Response:
        return page("login", status, title="Log in", told=told, token=self.access.sessions is not None)


class _Pages:
    """What the model shows."""

    def __init__(self, console: Console) -> None:
        self.console, self.model = console, console.model

    async def flow(self, request: web.Request) -> web.StreamResponse:
        """Rates, lag, workers, edges."""
        return self._page(request, "flow", "Flow", live=True, **views.flow(self.model, self.console.clock()))

    async def gates(self, request: web.Request) -> web.StreamResponse:
        """Every gate."""
        return self._page(request, "gates", "Gates", live=True, **views.gates(self.model, self.console.clock()))

    async def optouts(self, request: web.Request) -> web.StreamResponse:
        """Opt-outs of a list."""
        channel = request.query.get("list", "email")
        if channel not in views.LISTS:
            return self._page(request, "message", "No such list", 404, text="Lists are email, sms and sharing.")
        found = views.optouts(self.model, self.console.clock(), channel)
        return self._page(request, "optouts", "Opt-outs", **found)

    async def quarantine(self, request: web.Request) -> web.StreamResponse:
        """Counts and coordinates."""
        found = views.quarantine(self.model, self.console.clock(), request.query.get("code"))
        return self._page(request, "quarantine", "Quarantine", **found)

    async def search(self, request: web.Request) -> web.StreamResponse:
        """The form."""
        return self._search(request)

    async def look_up(self, request: web.Request) -> web.StreamResponse:
        """Begin a search. The address is in the body, and is keys before anything else happens."""
        if not own_form(request):
            return self._search(request, "That form was not on this console.", 403)
        form = await _form(request, self.console)
        try:
            sought = self.console.reader(form)
            with self.model.lock:
                sought = stopped(sought, self.model.control.stops)
            ident = self.console.jobs.begin(sought)
        except BadForm as fault:
            kept = {name: value for name, value in form.items() if name != "who"}  # an address is not said back
            return self._search(request, str(fault), 400, kept)
        except Busy:
            return self._search(request, "Others are being looked up: try again in a moment.", 429)
        self.console.metrics.search()
        return redirect(f"/found/{ident}")

    async def found(self, request: web.Request) -> web.StreamResponse:
        """What a search found, or how far it is."""
        job = self.console.jobs.get(request.match_info["id"])
        if job is None:
            text = "That search is over, or was never begun. What is found is kept for ten minutes."
            return self._page(request, "message", "No such search", 404, here="/search", text=text)
        if not job.over:
            return self._page(request, "pending", "Looking", here="/search", job=job)
        return self._page(request, "found", "Found", here="/search", job=job, words=WORDS)

    def _search(
        self, request: web.Request, told: str = "", status: int = 200, given: dict[str, str] | None = None
    ) -> web.Response:
        with self.model.lock:
            policy = self.model.control.policy
        tenants = sorted(policy.tenants) if policy is not None else []
        return self._page(
            request, "search", "Search", status,
            told=told, given=given or {}, tenants=tenants, kinds=KINDS, purposes=PURPOSES, channels=CHANNELS,
        )  # fmt: skip

    def _page(self, request: web.Request, template: str, title: str, status: int = 200, **values: Any) -> web.Response:
        values.setdefault("here", request.path)
        standing = views.standing(self.model, self.console.clock())
        leave = not self.console.access.named(request)
        return page(template, status, title=title, pages=PAGES, leave=leave, standing=standing, **values)


async def _asset(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in ASSETS:
        raise web.HTTPNotFound
    return asset(name)


async def _form(request: web.Request, console: Console) -> dict[str, str]:
    """Fields of a form; what is none has none."""
    body = await read_within(request, console.limits, LARGEST_FORM)
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        return dict(parse_qsl(body.decode(), max_num_fields=MOST_FIELDS))
    except ValueError:
        return {}
