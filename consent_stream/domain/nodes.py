"""Purposes, channels, scopes, and the nodes they form: what a fact is about."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

PURPOSES = ("marketing", "sharing", "profiling", "transactional", "legal_required")
CHANNELS = ("email", "sms")
CHANNELLESS = frozenset(("sharing", "profiling"))  # their nodes always have channel `*`
ANY = "*"
SCOPE_BYTES = 256
NODE_CHARS = SCOPE_BYTES + 32


class Node(NamedTuple):
    """(purpose, channel, scope), each a value or `*`."""

    purpose: str
    channel: str
    scope: str

    def __str__(self) -> str:
        return f"{self.purpose}:{self.channel}:{self.scope}"


EVERYTHING = Node(ANY, ANY, ANY)


def valid_scope(scope: object) -> bool:
    """Non-empty text of at most 256 bytes without empty segments; `*` only as a whole."""
    if not isinstance(scope, str):
        return False
    return _valid_short(scope) if len(scope) <= 64 else _valid(scope)


def _valid(scope: str) -> bool:
    if scope == ANY:
        return True
    try:
        return len(scope.encode()) <= SCOPE_BYTES and all(part and part != ANY for part in scope.split("/"))
    except UnicodeEncodeError:  # a lone surrogate is no text
        return False


_valid_short = lru_cache(8192)(_valid)


@lru_cache(65536)
def node(purpose: str, channel: str, scope: str) -> Node:
    """One shared object per node, so that state of many keys does not repeat it."""
    return Node(purpose, channel, scope)


def parse_node(text: str) -> Node | None:
    """The node of its text form, or None when a part is not understood or the combination is none (RULES §2)."""
    return _parse_node(text) if len(text) <= NODE_CHARS else None


@lru_cache(65536)
def _parse_node(text: str) -> Node | None:
    parts = text.split(":", 2)
    if len(parts) != 3:
        return None
    purpose, channel, scope = parts
    if purpose not in PURPOSES and purpose != ANY:
        return None
    if channel not in CHANNELS and channel != ANY:
        return None
    if not valid_scope(scope):
        return None
    if purpose in CHANNELLESS and channel != ANY:
        return None
    if scope != ANY and (purpose == ANY or (channel == ANY and purpose not in CHANNELLESS)):
        return None
    return node(purpose, channel, scope)


def covers(a: Node, b: Node) -> bool:
    """Whether `a` speaks for `b`: each part `*` or equal, scopes by path prefix (`news` covers `news/weekly`)."""
    return (
        (a.purpose == ANY or a.purpose == b.purpose)
        and (a.channel == ANY or a.channel == b.channel)
        and (a.scope == ANY or a.scope == b.scope or b.scope.startswith(a.scope + "/"))
    )


@lru_cache(65536)
def path(x: Node) -> frozenset[Node]:
    """Every node that covers `x`."""
    scopes = [ANY]
    if x.scope != ANY:
        parts = x.scope.split("/")
        scopes += ["/".join(parts[: i + 1]) for i in range(len(parts))]
    found = {node(ANY, channel, ANY) for channel in (ANY, x.channel)}
    found.update(node(x.purpose, channel, scope) for channel in (ANY, x.channel) for scope in scopes)
    return frozenset(found)


def program(scope: str) -> str:
    """The first segment of a scope."""
    return scope.split("/", 1)[0]
