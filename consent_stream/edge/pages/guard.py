"""Who asks, and from where: the client behind proxies, the forms of other sites."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import web

from consent_stream.edge.suspects import Network


def client(request: web.Request, proxies: Sequence[Network]) -> str | None:
    """The client's address: the last one of `X-Forwarded-For` that is no proxy of ours, when one says so."""
    remote = request.remote
    told = [each.strip() for each in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if each.strip()]
    while told and _among(remote, proxies):
        remote = told.pop()
    return remote


def _among(remote: str | None, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    return any(address.version == each.version and address in each for each in networks)


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
