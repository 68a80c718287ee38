"""A provider: who signs, what a body means. One module each below; all of them are functions of a request."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import Any

import orjson

from consent_stream.domain.nodes import valid_scope
from consent_stream.edge.config import Config, ConfigError, only
from consent_stream.edge.providers.reports import Delivery, Malformed, Reading

SHARED = ("kind", "tenant", "programs")


class Endpoint:
    """One table of the configuration: whose it is, its secrets, its programs."""

    entries: Collection[str] = ()  # of its table, beside the shared ones

    def __init__(self, where: str, table: Mapping[str, Any], config: Config) -> None:
        """Errors: ConfigError."""
        only(where, table, {*SHARED, *self.entries})
        self.where, self._config, self._table = where, config, table
        self.tenant = self.text("tenant")
        if "\0" in self.tenant:
            raise ConfigError(f"{where}.tenant: a text is expected")
        self.programs = _programs(where, table.get("programs", {}))

    def text(self, name: str, default: str | None = None) -> str:
        """An entry that is text. Errors: ConfigError."""
        value = self._table.get(name, default)
        if not isinstance(value, str) or not value:
            raise ConfigError(f"{self.where}.{name}: a text is expected")
        return value

    def secret(self, name: str) -> bytes:
        """A secret that must be there. Errors: ConfigError."""
        found = self._config.secret(self.where, self._table, name)
        if found is None:
            raise ConfigError(f"{self.where}: {name}_file or {name}_env is needed")
        return found


class Provider(Endpoint, ABC):
    """Laws: nothing of a body has an effect before its signature holds; the same request reads the same."""

    @abstractmethod
    async def read(self, delivery: Delivery) -> Reading:
        """What a request says. Errors: Forged, Malformed."""


def json_of(body: bytes) -> Any:
    """Errors: Malformed."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Malformed("no JSON") from None


def object_of(body: bytes) -> dict[str, Any]:
    """Errors: Malformed."""
    found = json_of(body)
    if not isinstance(found, dict):
        raise Malformed("no JSON object")
    return found


def _programs(where: str, table: object) -> Mapping[str, str]:
    if not isinstance(table, dict):
        raise ConfigError(f"{where}.programs: a table is expected")
    for name, scope in table.items():
        if not valid_scope(scope) or scope == "*":
            raise ConfigError(f"{where}.programs.{name}: a program is expected")
    return dict(table)
