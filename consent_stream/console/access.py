"""Who may look: who has the session of a token, or who comes from a proxy of ours that says who it is.

1. A header that names a person counts from trusted addresses alone: anybody else could write it. What it says is an
   address of somebody; it is neither kept nor shown nor logged.
2. A form counts when the browser says that it was on a page of ours. No request changes anything but the session, so
   this guards the login, and the search against being fed.
3. Guesses of the token are few: by network, and by all together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from aiohttp import web

from consent_stream.console.session import Sessions
from consent_stream.edge.clients import Network, client, network, within
from consent_stream.edge.rates import Rate

COOKIE, SEALED_COOKIE = "consent-console", "__Host-consent-console"
GUESSES = (6.0, 10)  # a minute, at once: of one network
ALL_GUESSES = (60.0, 100)


@dataclass
class Access:
    """sessions: None where a proxy alone says who may look. header, proxies: of that proxy. tls: browsers come over
    TLS, so the cookie is never sent without. clock: µs."""

    clock: Callable[[], int]
    sessions: Sessions | None = None
    header: str | None = None
    proxies: tuple[Network, ...] = ()
    tls: bool = False
    _guesses: Rate = field(default_factory=lambda: Rate(*GUESSES), repr=False)
    _all_guesses: Rate = field(default_factory=lambda: Rate(*ALL_GUESSES), repr=False)

    @property
    def cookie(self) -> str:
        """Its name; with TLS one that no other host and no plain page can set (RFC 6265bis, cookie prefixes)."""
        return SEALED_COOKIE if self.tls else COOKIE

    def named(self, request: web.Request) -> bool:
        """Whether a proxy of ours says who it is."""
        said = request.headers.getall(self.header, []) if self.header else []
        return len(said) == 1 and bool(said[0].strip()) and within(request.remote, self.proxies)

    def permits(self, request: web.Request) -> bool:
        """Whether this request may be answered with a page."""
        if self.named(request):
            return True
        cookie = request.cookies.get(self.cookie)
        return (
            self.sessions is not None and cookie is not None and self.sessions.lasts(cookie, self.clock() // 1_000_000)
        )

    def wait(self, request: web.Request) -> int:
        """Seconds until the next guess of the token may be made; counts one when it is 0."""
        here, now = network(client(request, self.proxies)), self.clock()
        return self._guesses.wait(here, now) or self._all_guesses.wait("", now)

    def begin(self, response: web.Response) -> None:
        """Put a new session into an answer."""
        assert self.sessions is not None
        value = self.sessions.begin(self.clock() // 1_000_000)
        response.set_cookie(self.cookie, value, path="/", httponly=True, samesite="Strict", secure=self.tls)

    def end(self, response: web.Response) -> None:
        """Take the session away."""
        response.del_cookie(self.cookie, path="/", httponly=True, samesite="Strict", secure=self.tls)


def own_form(request: web.Request) -> bool:
    """Whether the browser says that a form was on a page of this host; one that says nothing is none of ours.

    `Sec-Fetch-Site` decides where it is; else `Origin`, which pages with `Referrer-Policy: same-origin` send.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return urlsplit(request.headers.get("Origin", "")).netloc == request.headers.get("Host", "?")
