"""Who asks: the client's address behind proxies of ours, and its network, as limits and marks count it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from aiohttp import web

Network = IPv4Network | IPv6Network


def client(request: web.Request, proxies: Sequence[Network]) -> str | None:
    """The client's address: the last one of `X-Forwarded-For` that is no proxy of ours, when one says so."""
    remote = request.remote
    told = [each.strip() for each in ",".join(request.headers.getall("X-Forwarded-For", [])).split(",") if each.strip()]
    while told and within(remote, proxies):
        remote = told.pop()
    return remote


def network(remote: str | None) -> str:
    """The network of an address: /24, or /64 of IPv6. Empty when it is none."""
    try:
        address = ip_address(remote or "")
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{24 if address.version == 4 else 64}", strict=False))


def within(remote: str | None, networks: Sequence[Network]) -> bool:
    """Whether an address is in one of the networks."""
    try:
        address = ip_address(remote or "")
    except ValueError:
        return False
    return any(address.version == each.version and address in each for each in networks)
