"""The texts of the pages: one TOML file for each language, all with the same keys; and which one a person reads."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "fr", "es", "de")


class Catalogue:
    """The texts of one language. `c["group.key"]`, `c("group.key", name=…)` with its fields filled in."""

    def __init__(self, language: str, texts: dict[str, str]) -> None:
        self.language = language
        self._texts = texts

    def __getitem__(self, key: str) -> str:
        return self._texts[key]

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __call__(self, key: str, **fields: Any) -> str:
        return self._texts[key].format(**fields)

    def names(self) -> set[str]:
        """Of all texts."""
        return set(self._texts)

    def day(self, at: int) -> str:
        """The UTC day of an instant (µs)."""
        moment = datetime.fromtimestamp(at // 1_000_000, UTC)
        month = self._texts["date.months"].split()[moment.month - 1]
        return self("date.day", day=moment.day, month=month, year=moment.year)


@cache
def catalogue(language: str) -> Catalogue:
    """The texts of a language. Errors: FileNotFoundError for one that there is not."""
    source = files("consent_stream.edge.pages") / "texts" / f"{language}.toml"
    tables = tomllib.loads(source.read_text("utf-8"))
    return Catalogue(
        language, {f"{group}.{key}": text for group, table in tables.items() for key, text in table.items()}
    )


def choose(asked: str | None, accepted: str) -> str:
    """A language: as asked (`?lang=`), else the best of `Accept-Language` (RFC 9110 §12.5.4), else English."""
    if asked in LANGUAGES:
        return asked
    best, weight = "en", 0.0
    for part in accepted[:500].split(","):
        tag, _, rest = part.strip().partition(";")
        quality = rest.strip().removeprefix("q=") or "1"
        try:
            q = float(quality)
        except ValueError:
            continue
        language = tag.strip().lower().split("-")[0]
        if language in LANGUAGES and weight < q <= 1:
            best, weight = language, q
    return best
