"""Whether a form was on our own page. What guards a yes; a no needs nothing of it."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web


def own_form(request: web.Request, base_url: str) -> bool:
    """Whether a browser says that the form was on our page, or cannot say.

    `Sec-Fetch-Site` decides where it is. Else `Origin`, which is `null` from pages with `no-referrer`, as ours are
    (Fetch, "append a request `Origin` header"); then the seal alone speaks for the form.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin", "null")
    return origin == "null" or origin == "{0.scheme}://{0.netloc}".format(urlsplit(base_url))
