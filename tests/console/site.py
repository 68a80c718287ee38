"""A console in this process, on a port of its own, around a model of the test; searches are answered by the test."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from consent_stream.console.access import Access
from consent_stream.console.console import Console
from consent_stream.console.model import Model
from consent_stream.console.routes import routes
from consent_stream.console.search import Jobs, Reader
from consent_stream.console.session import Sessions
from consent_stream.wire.keys import Keyring
from tests.console.made import NOW, filled
from tests.servers import on_a_thread

TOKEN = "correct-horse-battery"
KEYS = Keyring({0: bytes(32)})
SOON = 20.0  # seconds that nothing here should need


class Answer:
    """Status, headers and text."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.text = response.status, dict(response.getheaders()), response.read().decode()
        self.all_headers = response.getheaders()


class Site:
    """A browser's requests, by hand. cookie: sent along when there is one."""

    def __init__(self, console: Console, port: int) -> None:
        self.console, self.port, self.cookie = console, port, ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request. Headers by their names, `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.cookie:
            sent.setdefault("Cookie", self.cookie)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SOON)
        try:
            connection.request(method, path, body, sent)
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, **headers)

    def post(self, path: str, *, site: str | None = "same-origin", fields: dict[str, str], **headers: str) -> Answer:
        """A form, as a browser sends it."""
        more = {"Content_Type": "application/x-www-form-urlencoded", **headers}
        if site is not None:
            more["Sec_Fetch_Site"] = site
        return self.ask("POST", path, urlencode(fields).encode(), **more)

    def log_in(self, token: str = TOKEN) -> Answer:
        """With the token; the cookie is kept."""
        answer = self.post("/login", fields={"token": token})
        if "Set-Cookie" in answer.headers:
            self.cookie = answer.headers["Set-Cookie"].partition(";")[0]
        return answer


@contextmanager
def site(
    model: Model | None = None,
    look: Callable[..., Any] = lambda sought, tell: None,
    *,
    clock: Callable[[], int] = lambda: NOW,
    access: Access | None = None,
) -> Iterator[Site]:
    """A console; nobody is logged in."""
    jobs: Jobs[Any] = Jobs(look, clock)
    access = access or Access(clock, Sessions(TOKEN.encode()))
    console = Console(model or filled(), access, jobs, Reader(KEYS), clock)
    try:
        with on_a_thread(console, routes(console)) as port:
            yield Site(console, port)
    finally:
        jobs.close()
