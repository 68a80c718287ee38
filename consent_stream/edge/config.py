"""The edge's own configuration: one TOML file, a table a room.

    [edge]
    freshness = true    # the default: lists count as old while this edge has events on its disk

    [providers.sendgrid-main]
    kind = "sendgrid"
    secret_file = "/run/secrets/sendgrid"

A room takes its table and refuses what it does not know. A secret stands in a file or in the environment, never here:
`NAME_file = "path"` (not readable by others) or `NAME_env = "VARIABLE"`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from consent_stream.http.tokenfile import LONGEST_TOKEN, SHORTEST_TOKEN, TokenFileError, read_token


class ConfigError(ValueError):
    """One line that names the entry and never shows a secret."""


class Config:
    """What stands in the file. `repr` shows the names of tables alone."""

    def __init__(self, content: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> None:
        self._content = dict(content or {})
        self._environ = os.environ if environ is None else environ
        self._read: set[str] = set()

    def __repr__(self) -> str:
        return f"Config({', '.join(sorted(self._content))})"

    @classmethod
    def load(cls, path: Path | None) -> Config:
        """The file at `path`, or an empty configuration. Errors: ConfigError."""
        if path is None:
            return cls()
        try:
            with path.open("rb") as file:
                return cls(tomllib.load(file))
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ConfigError(f"{path}: not TOML: {error}") from None

    def table(self, name: str) -> Mapping[str, Any]:
        """The table of that name, empty when there is none; it counts as known from now on. Errors: ConfigError."""
        self._read.add(name)
        found = self._content.get(name, {})
        if not isinstance(found, dict):
            raise ConfigError(f"{name}: a table is expected")
        return MappingProxyType(found)

    def secret(self, where: str, table: Mapping[str, Any], name: str) -> bytes | None:
        """What `NAME_file` or `NAME_env` of a table leads to; None when neither is there.

        where: the table's name, for the error. Errors: ConfigError when both are there, or it is no secret: 16 to 4096
        visible ASCII characters in a file that others may not use.
        """
        file, variable = table.get(f"{name}_file"), table.get(f"{name}_env")
        if file is not None and variable is not None:
            raise ConfigError(f"{where}: {name}_file and {name}_env: one of them")
        if file is not None:
            try:
                return read_token(Path(_text(where, f"{name}_file", file)))
            except TokenFileError as error:
                raise ConfigError(f"{where}.{name}_file: {error}") from error
        if variable is None:
            return None
        secret = self._environ.get(_text(where, f"{name}_env", variable), "").strip().encode()
        if not SHORTEST_TOKEN <= len(secret) <= LONGEST_TOKEN or not all(0x21 <= each <= 0x7E for each in secret):
            raise ConfigError(
                f"{where}.{name}_env: {variable} is not set to {SHORTEST_TOKEN} or more visible characters"
            )
        return secret

    def refuse_unread(self) -> None:
        """Errors: ConfigError for a table that no room asked for: a misspelt name must not switch a check off."""
        if unknown := sorted(set(self._content) - self._read):
            raise ConfigError(f"{unknown[0]}: no such table; there are {', '.join(sorted(self._read))}")


def only(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    """Errors: ConfigError for an entry that is not known."""
    if unknown := sorted(set(table) - set(known)):
        raise ConfigError(f"{where}.{unknown[0]}: no such entry; there are {', '.join(sorted(known))}")


def _text(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{where}.{name}: a text is expected")
    return value
