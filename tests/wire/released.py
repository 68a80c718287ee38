"""Schemas as they were released, with golden bytes: what old topics hold and old readers expect, for ever.

`python -m tests.wire.released NAME` writes the files of a new version of a schema, and never over old ones.
"""

import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

from consent_stream.wire.schemas import header_of

from .reference import reference_writes
from .samples import samples

FOLDER = Path(__file__).parent / "golden"
SCHEMAS = Path(__file__).parents[2] / "schemas"


class Release(NamedTuple):
    """One version of one schema."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}.{self.version}"

    def _path(self, ending: str) -> Path:
        return FOLDER / f"{self}.{ending}"

    @property
    def schema(self) -> str:
        return self._path("avsc").read_text()

    @property
    def values(self) -> list[bytes]:
        """Whole values, header first, one a line."""
        return [bytes.fromhex(line) for line in self._path("hex").read_text().splitlines()]

    @property
    def records(self) -> list[Any]:
        """What each value says, in plain values; bytes stand as {"hex": …}."""
        found = json.loads(self._path("json").read_text(), object_hook=_from_hex)
        assert isinstance(found, list)
        return found


def releases() -> list[Release]:
    """All versions of all schemas, oldest first."""
    parts = [path.stem.rsplit(".", 1) for path in FOLDER.glob("*.avsc")]
    return sorted(Release(name, int(version)) for name, version in parts)


def newest() -> dict[str, Release]:
    return {release.name: release for release in releases()}


def _from_hex(table: dict[str, Any]) -> Any:
    return bytes.fromhex(table["hex"]) if set(table) == {"hex"} else table


def _release(name: str) -> Release:
    """Write the files of the schema as it stands today as its next version."""
    version = 1 + max((each.version for each in releases() if each.name == name), default=0)
    release = Release(name, version)
    text = (SCHEMAS / f"{name}.avsc").read_text()
    told = samples(name)
    values = [one.encode() if one.encode else header_of(name) + reference_writes(text, one.told) for one in told]
    FOLDER.mkdir(exist_ok=True)
    shown = json.dumps([one.told for one in told], default=lambda raw: {"hex": raw.hex()}, indent=1, ensure_ascii=False)
    for ending, content in (("hex", "\n".join(value.hex() for value in values)), ("json", shown), ("avsc", text)):
        with release._path(ending).open("x") as file:
            file.write(content.rstrip("\n") + "\n")
    return release


if __name__ == "__main__":
    for wanted in sys.argv[1:]:
        print(_release(wanted))
