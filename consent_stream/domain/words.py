"""What a text message means (RULES §8). The doubtful case restricts: a person who wrote `stop` is not argued with."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from consent_stream.domain.addresses import zero_width
from consent_stream.domain.policy import NO_WORDS, Words

OUT = (
    "stop", "stopall", "stop all", "unsubscribe", "cancel", "end", "quit", "revoke", "optout", "opt out", "remove",
    "arret", "td", "alto", "baja", "stopp",
)  # fmt: skip
IN = ("start", "unstop")
INFO = ("help", "info")
REMEMBERED = 32  # characters: most short texts are one of few
SHORT = 5  # words: an OUT word in a text of at most so many is a STOP
_NEGATED = (("dont", "stop"), ("don", "t", "stop"), ("do", "not", "stop"), ("never", "stop"))
_MARK = "\0"

Phrase = tuple[str, ...]


def meaning(text: str, words: Words = NO_WORDS) -> str:
    """`stop`, `review` (may be a STOP), `start`, or `` when nothing changes.

    Punctuation and symbols are read both as nothing and as a space; the more restrictive reading holds.
    """
    return _remembered(text, words) if len(text) <= REMEMBERED else _meaning(text, words)


def asks_for_help(text: str, words: Words = NO_WORDS) -> bool:
    """Whether a text is one of the words for help, alone. It changes nothing and may be answered."""
    known = {tuple(_readings(word)[1]) for word in (*INFO, *words.info)}
    return any(tuple(reading) in known for reading in _readings(text))


def _meaning(text: str, words: Words) -> str:
    outs, ins = _lists(words)
    readings = [_read(reading, outs, ins) for reading in _readings(text)]
    for found in ("stop", "review"):
        if found in readings:
            return found
    return "start" if all(reading == "start" for reading in readings) else ""


_remembered = lru_cache(4096)(_meaning)


@lru_cache(256)
def _lists(words: Words) -> tuple[tuple[Phrase, ...], tuple[Phrase, ...]]:
    return (
        tuple(tuple(_readings(word)[1]) for word in (*OUT, *words.out)),
        tuple(tuple(_readings(word)[1]) for word in (*IN, *words.into)),
    )


def _readings(text: str) -> tuple[list[str], list[str]]:
    """The words of a text with marks read as nothing, and with marks read as spaces."""
    marked = "".join(_MARK if _symbol(char) else char for char in text)
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", marked).casefold())
    plain = "".join(
        _MARK
        if unicodedata.category(char)[0] == "P" or unicodedata.category(char) in ("Sm", "Sc", "So", "Sk")
        else char
        for char in folded
        if not unicodedata.category(char).startswith("M")
    )
    return plain.replace(_MARK, "").split(), plain.replace(_MARK, " ").split()


def _symbol(char: str) -> bool:
    return unicodedata.category(char) in ("So", "Sk", "Cn", "Co", "Cs", "Me") or zero_width(char)


def _read(words: list[str], outs: tuple[Phrase, ...], ins: tuple[Phrase, ...]) -> str:
    found = {(start, len(phrase)) for phrase in outs for start in _places(words, phrase)}
    if found:
        if any(_places(words, phrase) for phrase in ins):
            return "stop"
        if len(words) > SHORT:
            return "review"
        negated = {(at + len(phrase) - 1, 1) for phrase in _NEGATED for at in _places(words, phrase)}
        return "stop" if found - negated else "review"
    return "start" if tuple(words) in ins else ""


def _places(words: list[str], phrase: Phrase) -> list[int]:
    n = len(phrase)
    return [at for at in range(len(words) - n + 1) if tuple(words[at : at + n]) == phrase]
