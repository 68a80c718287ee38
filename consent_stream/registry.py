"""A schema registry for `consent.changes`: tools that read Confluent's framing (00, schema id, record) need no schema.

1. Only the changes are framed, for they alone are for others' tools. Lists, state and ledger decide who is mailed: they
   must be read when no registry answers. `consent.sends` is written by mailers, who should not need one either.
2. A registry that is away must not keep a "no" from the lists. Its answer is kept in the data directory, and a worker
   that has one starts with it; only the first start of all needs the registry.
3. Our own readers take both framings and ask nobody: the schema of a change is the one that they know.

Source: Confluent, "Wire format" of Schema Registry; subjects by its TopicNameStrategy.
"""

from __future__ import annotations

import logging
import os
import secrets
import ssl
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

import orjson

from consent_stream.settings import Settings, SettingsError
from consent_stream.wire.schemas import CONSENT_CHANGE, registry_header, schema_json

log = logging.getLogger(__name__)
TIMEOUT_S = 10
MOST_BYTES = 65_536  # of an answer
FILE = "registry.json"


def change_header(settings: Settings, topic: str) -> bytes:
    """What stands before each record of a topic of changes: the id that a registry has given, if one is set.

    topic: full name. Errors: SettingsError when no registry answers and none ever did.
    """
    if settings.registry_url is None:
        return CONSENT_CHANGE
    asked = {"url": settings.registry_url, "subject": f"{topic}-value", "schema": CONSENT_CHANGE.hex()}
    path = settings.data_dir / FILE
    try:
        ident = _register(settings, asked["subject"])
    except _NoAnswer as error:
        known = _kept(path, asked)
        if known is None:
            raise SettingsError("registry_url", f"{error}, and no id is kept from an earlier start") from error
        log.warning("%s; going on with the schema id that it gave before, %d", error, known)
        return registry_header(known)
    _keep(path, {**asked, "id": ident})
    return registry_header(ident)


class _NoAnswer(Exception):
    """The registry is away, or refuses. One line."""


def _register(settings: Settings, subject: str) -> int:
    """The id of the schema, which is registered where it is not yet. Errors: _NoAnswer."""
    schema = orjson.dumps({"schemaType": "AVRO", "schema": orjson.dumps(schema_json("consent_change")).decode()})
    url = f"{(settings.registry_url or '').rstrip('/')}/subjects/{quote(subject, safe='')}/versions"
    asked = Request(url, schema, {"Content-Type": "application/vnd.schemaregistry.v1+json"}, method="POST")
    trusted = ssl.create_default_context(cafile=None if settings.ssl_ca is None else str(settings.ssl_ca))
    try:
        with urlopen(asked, timeout=TIMEOUT_S, context=trusted) as answer:
            ident = orjson.loads(answer.read(MOST_BYTES))["id"]
    except HTTPError as error:
        raise _NoAnswer(f"the schema registry refused {subject}: {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise _NoAnswer(f"no schema registry answers: {getattr(error, 'reason', error)}") from error
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _NoAnswer("what answers is no schema registry") from error
    if type(ident) is not int or not 0 < ident < 1 << 31:
        raise _NoAnswer("the schema registry gave an id that is none")
    return ident


def _kept(path: Path, asked: dict[str, str]) -> int | None:
    try:
        said = orjson.loads(path.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        return None
    if not isinstance(said, dict) or {name: said.get(name) for name in asked} != asked:
        return None  # of another registry, topic or schema
    return said["id"] if isinstance(said.get("id"), int) else None


def _keep(path: Path, said: dict[str, Any]) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with draft.open("xb") as file:
            file.write(orjson.dumps(said))
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
