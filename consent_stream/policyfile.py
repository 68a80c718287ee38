"""The policy file: TOML, or JSON if its name ends in `.json`."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from consent_stream.domain.policy import Policy, PolicyError, read_policy
from consent_stream.settings import SettingsError


def load_policy(path: Path | None) -> tuple[Policy, Mapping[str, Any]]:
    """The policy of a TOML file, or of a JSON file whose name ends in `.json`, and the table it was read from.

    Errors: SettingsError naming the file and the entry. Without a file: no tenants, so that every grant is refused.
    """
    if path is None:
        return Policy(), {}
    try:
        text = path.read_text()
        if path.suffix == ".json":
            table = json.loads(text, object_pairs_hook=_unique)
        else:
            table = tomllib.loads(text)
        return read_policy(table), table
    except OSError as error:
        raise SettingsError("policy", f"{path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # of either format, of the encoding, or a PolicyError
        raise SettingsError("policy", f"{path}: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON lets a name stand twice and keeps the last; TOML refuses it, and so do we."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise PolicyError("a name stands twice in one JSON object")
    return table
