"""A request becomes CloudEvents: structured, a batch, or binary (CloudEvents 1.0, HTTP Protocol Binding). Pure."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from consent_stream.edge.door import LARGEST
from consent_stream.edge.intent.keys import ApiKey
from consent_stream.http.problems import Problem

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
JSON = "application/json"
MOST_EVENTS = 1000  # in one request, as in one record (WIRE §1)
Event = dict[str, Any]


class Flaw(Exception):
    """Why an event is not taken. code: a quarantine code, `wrong_source` or `wrong_tenant`. pointer: RFC 6901."""

    def __init__(self, code: str, pointer: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.pointer, self.detail = code, pointer, detail


def is_batch(content_type: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the request brings a list, which is answered by a list."""
    return content_type == BATCH or (content_type == JSON and "ce-specversion" not in headers and body[:1] == b"[")


def read_events(content_type: str, headers: Mapping[str, str], body: bytes) -> list[Any]:
    """The events of a request, each as it stands.

    headers: of the request, names in any case. Errors: Problem `not-json`, `wrong-type`, `bad-event`, `too-large`.
    """
    binary = "ce-specversion" in headers
    if content_type not in ((JSON, "") if binary else (SINGLE, BATCH, JSON)):
        raise Problem("wrong-type", f"{SINGLE}, {BATCH}, or {JSON} with ce- headers beside it")
    if binary:
        return [_binary(headers, body)]
    found = _loads(body)
    if not is_batch(content_type, headers, body.lstrip()):
        return [found]
    if not isinstance(found, list) or not found:
        raise Problem("bad-event", "a list of events is expected", field="")
    if len(found) > MOST_EVENTS:
        raise Problem("too-large", f"{len(found)} events; at most {MOST_EVENTS} in one request")
    return found


def _loads(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem("not-json", f"line {error.lineno}, column {error.colno}") from None


def _binary(headers: Mapping[str, str], body: bytes) -> Event:
    """Attributes in ce- headers, percent-encoded (HTTP Protocol Binding §3.1.3.2); the body is `data`."""
    event: Event = {}
    for name, value in headers.items():
        if name.lower().startswith("ce-"):
            event[name[3:].lower()] = unquote(value, errors="replace")
    event.setdefault("datacontenttype", JSON)
    if body.strip():
        event["data"] = _loads(body)
    return event


def fill_in(event: Any, key: ApiKey) -> Event:
    """The event as it will be sent: the source is the key's, its only tenant need not be said, an id is made if none
    is given. A time is not: an event that waited somewhere would be dated later than it was (RULES §1).

    Errors: Flaw when it speaks for another source or tenant, or is no object.
    """
    if not isinstance(event, dict):
        raise Flaw("not_cloudevent", "", "a CloudEvent is an object")
    filled = dict(event)
    if filled.setdefault("source", key.source) != key.source:
        raise Flaw("wrong_source", "/source", "this key speaks for another source; leave the source out")
    if "tenant" not in filled and key.only_tenant is not None:
        filled["tenant"] = key.only_tenant
    tenant = filled.get("tenant")
    if isinstance(tenant, str) and tenant and not key.may(tenant):
        raise Flaw("wrong_tenant", "/tenant", "this key does not speak for that tenant")
    filled.setdefault("id", uuid.uuid4().hex)
    return filled


def written(event: Event) -> None:
    """Whether it can be sent. Errors: Flaw `too_large`; `not_cloudevent` for what JSON reads and cannot write: lists in
    lists without end, a `ce-` header that is no UTF-8."""
    try:
        size = len(orjson.dumps(event))
    except orjson.JSONEncodeError:
        raise Flaw("not_cloudevent", "", "lists too deep in one another, or a text that is no Unicode") from None
    if size > LARGEST:
        raise Flaw("too_large", "", f"an event has at most {LARGEST} bytes")


def shown(ident: object) -> str | None:
    """An event's id as the answer may repeat it: who sends addresses as ids does not get them logged by us."""
    return ident if isinstance(ident, str) and re.fullmatch(r"[\w.:/-]{1,256}", ident, re.ASCII) else None
