"""What a wish says as events (WIRE §1). Pure: ids and times are given by whoever publishes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from consent_stream.domain.nodes import ANY, Node, parse_node
from consent_stream.edge.pages.forms import Wish

SOURCE = "/edge/preferences"


class Subject(NamedTuple):
    """Whom a token is about. keys: in hex, the address's first. contact: in hex, when known."""

    channel: str
    keys: tuple[str, ...]
    contact: str | None
    message_id: str


class Say(NamedTuple):
    """One event: its type and data."""

    type: str
    data: Mapping[str, Any]


class Yes(NamedTuple):
    """One item that a person opens. level: 3, or 4 once it was confirmed apart. names: what the page told."""

    node: Node
    names: tuple[str, ...]
    level: int


def other(channel: str) -> str:
    """The channel that a token of this one is not about."""
    return "sms" if channel == "email" else "email"


def noes(who: Subject, wish: Wish) -> list[Say]:
    """Every no of a wish. It needs nothing but the token."""
    about = _about(who)
    if wish.everything:
        return [Say("consent.withdrawn", {**about, "purpose": ANY, "scope": ANY})]
    said = []
    if wish.channel:
        said.append(Say("unsubscribe.link", {**about, "scope": ANY}))
    if wish.other and who.contact is not None:  # the address there is not known: under the contact, to all of its
        data = {"keys": [who.contact], "channel": other(who.channel), "message_id": who.message_id}
        said.append(Say("consent.withdrawn", {**data, "scope": ANY}))
    topics = {item[2:]: False for item in wish.off if item.startswith("m:")}
    if topics:
        said.append(Say("preference.set", {**about, "topics": topics}))
    said += [Say("sharing.optout", {**about, "scope": item[2:]}) for item in wish.off if item.startswith("s:")]
    return said


def yeses(who: Subject, wanted: Iterable[Yes], notice: Mapping[str, Any]) -> list[Say]:
    """One event for each yes, so that it names what was told of it and no more.

    Confirmed apart (E4): `sharing.optin_confirmed`, `consent.confirmed`. Else `preference.set` with E3: the link came
    to the address, so whoever presses its button has it.
    """
    said = []
    for node, names, level in wanted:
        data = {**_about(who), "notice": dict(notice), "names": [str(node), *names]}
        if node.purpose == "sharing":
            said.append(Say("sharing.optin_confirmed", {**data, "scope": node.scope, "evidence": "E4"}))
        elif level == 4:
            said.append(Say("consent.confirmed", {**data, "scope": node.scope, "evidence": "E4"}))
        else:
            said.append(Say("preference.set", {**data, "topics": {node.scope: True}, "evidence": "E3"}))
    return said


def asked(who: Subject, wanted: Sequence[Yes], notice: Mapping[str, Any]) -> list[Say]:
    """The first of two steps to sharing, for the record. E0: it permits nothing until the second one is made."""
    return [
        Say("sharing.optin", {**_about(who), "scope": node.scope, "notice": dict(notice), "evidence": "E0"})
        for node, _, _ in wanted
        if node.purpose == "sharing"
    ]


def node_of(item: str, channel: str) -> Node:
    """The node of an item of a form. Errors: ValueError for what is none."""
    text = f"marketing:{channel}:{item[2:]}" if item.startswith("m:") else f"sharing:*:{item[2:]}"
    found = parse_node(text)
    if found is None:
        raise ValueError("no item")
    return found


def _about(who: Subject) -> dict[str, Any]:
    about: dict[str, Any] = {"keys": list(who.keys), "channel": who.channel}
    return about | ({"message_id": who.message_id} if who.message_id else {})
