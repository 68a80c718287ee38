"""Pages as HTML answers: templates, headers that let nothing in from elsewhere, links that keep the language."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from consent_stream.edge.pages.catalogue import LANGUAGES, Catalogue, catalogue

ASSETS = {"page.css": "text/css", "page.js": "text/javascript"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Language",
}


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("consent_stream.edge.pages"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
    )


def html(template: str, cat: Catalogue, root: str, path: str, **values: Any) -> str:
    """A page. root: path that the edge is reached under. path: of this page, for links to it in other languages."""

    def self_url(code: str) -> str:
        return url(path, lang=code)

    names = [(code, catalogue(code)["page.language_name"]) for code in LANGUAGES]
    return (
        _templates()
        .get_template(f"{template}.html")
        .render(t=_Texts(cat), lang=cat.language, languages=names, root=root, self_url=self_url, **values)
    )


def answer(text: str, language: str, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An HTML answer."""
    more = {**HEADERS, "Content-Language": language, **(headers or {})}
    return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=more)


def asset(name: str) -> web.Response:
    """A file that pages use. Errors: KeyError for another name."""
    body = (files("consent_stream.edge.pages") / "assets" / name).read_bytes()
    headers = {**HEADERS, "Cache-Control": "public, max-age=300"}
    return web.Response(body=body, content_type=ASSETS[name], charset="utf-8", headers=headers)


def url(path: str, **query: str) -> str:
    """A path with those parameters that are not empty."""
    given = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(given, safe=':,')}" if given else path


class _Texts:
    """A catalogue as templates use it: `t["key"]`, `t("key", name=…)`."""

    def __init__(self, cat: Catalogue) -> None:
        self._cat = cat

    def __getitem__(self, key: str) -> str:
        return self._cat[key]

    def __call__(self, key: str, **fields: Any) -> str:
        return self._cat(key, **fields)
