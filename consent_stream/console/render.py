"""Pages as HTML answers: templates, and headers that let nothing in from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from consent_stream.console import words

ASSETS = {"console.css": "text/css", "console.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "same-origin",  # with no-referrer a form says no `Origin`, by which it is known
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


@cache
def _templates() -> Environment:
    found = Environment(
        loader=PackageLoader("consent_stream.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for word in (words.count, words.rate, words.span, words.instant, words.plain):
        found.filters[word.__name__] = word
    return found


def page(template: str, status: int = 200, **values: Any) -> web.Response:
    """A template as an answer."""
    text = _templates().get_template(f"{template}.html").render(**values)
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)


def asset(name: str) -> web.Response:
    """A file that pages use. Errors: KeyError for another name."""
    kind = ASSETS[name]
    body = (files("consent_stream.console") / "assets" / name).read_bytes()
    headers = {**HEADERS, "Cache-Control": "public, max-age=300"}
    return web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)


def redirect(path: str) -> web.Response:
    """See there instead (303)."""
    return web.Response(status=303, headers={**HEADERS, "Location": path})
