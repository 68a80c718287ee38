"""Who may speak for a source: API keys.

[intent.keys.shop]
key_file = "/run/secrets/shop"      # or key_env = "SHOP_KEY", or key_sha256 = "64 hex digits"
source = "/forms/signup"            # a source of the policy: what its events count for stands there
tenants = ["acme"]                  # ["*"]: every tenant
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from consent_stream.domain.subjects import short_text
from consent_stream.edge.config import Config, ConfigError, only
from consent_stream.http.problems import Problem

ENTRIES = ("key_file", "key_env", "key_sha256", "source", "tenants")
ALL = "*"


@dataclass(frozen=True)
class ApiKey:
    """name: of its table. digest: SHA-256 of the key. source: of every event it brings. tenants: or `*` for all."""

    name: str
    digest: bytes = field(repr=False)
    source: str
    tenants: frozenset[str]

    def may(self, tenant: str) -> bool:
        """Whether it may speak, and ask, for that tenant."""
        return tenant in self.tenants or ALL in self.tenants

    @property
    def only_tenant(self) -> str | None:
        """The tenant when there is no choice."""
        (first, *more) = self.tenants
        return None if more or first == ALL else first


class ApiKeys:
    """The keys of a deployment."""

    def __init__(self, keys: Sequence[ApiKey]) -> None:
        self._keys = tuple(keys)

    def find(self, authorization: str) -> ApiKey | None:
        """The key that an `Authorization` header names; None for any other. All are compared, in constant time."""
        scheme, _, given = authorization.partition(" ")
        digest = sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        found = [key for key in self._keys if hmac.compare_digest(key.digest, digest)]
        return found[0] if found and scheme.lower() == "bearer" else None

    def need(self, authorization: str) -> ApiKey:
        """The same. Errors: Problem `no-token`."""
        key = self.find(authorization)
        if key is None:
            raise Problem(
                "no-token", "an API key as `Authorization: Bearer KEY`", headers={"WWW-Authenticate": "Bearer"}
            )
        return key


def read_keys(config: Config) -> ApiKeys:
    """The keys of `[intent.keys]`. Errors: ConfigError."""
    table = config.table("intent").get("keys", {})
    if not isinstance(table, dict):
        raise ConfigError("intent.keys: a table is expected")
    keys = [_key(config, name, entry) for name, entry in table.items()]
    if len({key.digest for key in keys}) < len(keys):
        raise ConfigError("intent.keys: two names have the same key")
    return ApiKeys(keys)


def _key(config: Config, name: str, entry: object) -> ApiKey:
    where = f"intent.keys.{name}"
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: a table is expected")
    only(where, entry, ENTRIES)
    source, tenants = entry.get("source"), entry.get("tenants")
    if not short_text(source):
        raise ConfigError(f"{where}.source: the source of its events is expected, as the policy names it")
    if not isinstance(tenants, list) or not tenants or not all(short_text(each) for each in tenants):
        raise ConfigError(f'{where}.tenants: a list of tenants is expected (or ["*"])')
    return ApiKey(name, _digest(config, where, entry), str(source), frozenset(tenants))


def _digest(config: Config, where: str, entry: Mapping[str, Any]) -> bytes:
    told = entry.get("key_sha256")
    secret = config.secret(where, entry, "key")
    if (secret is None) == (told is None):
        raise ConfigError(f"{where}: one of key_file, key_env and key_sha256 is needed")
    if secret is not None:
        return sha256(secret).digest()
    if not isinstance(told, str) or not re.fullmatch(r"[0-9a-fA-F]{64}", told, re.ASCII):
        raise ConfigError(f"{where}.key_sha256: 64 hex digits are expected")
    return bytes.fromhex(told)
