"""A row as `tail` and `inspect` show it: one line, coloured on a terminal; or one JSON object."""

from __future__ import annotations

import orjson
from rich.text import Text

from consent_stream.commands.screen import clock, printable
from consent_stream.domain.times import DAY, HOUR, MINUTE, SECOND
from consent_stream.inspection.records import Row

SHORT = 16  # hex digits of a key: three bytes that all keys of a tenant share, and 40 bits
LONGEST = 160  # characters of one part: a sender chooses ids, and a key may hold hundreds of facts
TONES = {"tighter": "red", "suppressed": "red", "looser": "green", "clear": "green", "handed_over": "green",
         "held_back": "yellow"}  # fmt: skip


def json_line(row: Row) -> bytes:
    """One object, with its newline."""
    return orjson.dumps(row.fields(), option=orjson.OPT_APPEND_NEWLINE)


def text_of(row: Row) -> Text:
    """Time, list, tenant, key, before → after, what, which event of whom, where it lies, and how late it came."""
    line = Text(no_wrap=False, overflow="fold")
    line.append(_time(row), "dim")
    line.append(f" {_cut('+'.join(row.channels)) or '-':<7} {_cut(row.tenant) or '-':<10} ")
    line.append(row.key.hex()[:SHORT] if row.key else "-".ljust(SHORT), "cyan")
    if row.trouble is not None:
        line.append(f"  cannot be read: {_cut(row.trouble)}", "bold yellow")
    line.append(f"  {_cut(row.before)} → " if row.before else "  ")
    line.append(_cut(row.after), _tone(row))
    for part in _what(row):
        line.append(f"  {part}")
    line.append(f"  {_place(row)}", "dim")
    return line


def _time(row: Row) -> str:
    return "-".ljust(24) if row.written is None else clock(row.written)


def _tone(row: Row) -> str:
    return next((TONES[kind] for kind in row.kinds if kind in TONES), "default")


def _what(row: Row) -> list[str]:
    kinds = [kind for kind in row.kinds if kind not in row.after.lower()]
    reasons = [reason for reason in row.reasons if reason not in f"{row.before} {row.after}"]
    about = ",".join(filter(None, (*kinds, *reasons)))
    derived = "derived" if row.derived else ""
    return [_cut(each) for each in (about, row.type, row.source, row.id, derived) if each]


def _place(row: Row) -> str:
    """Where the record lies, and the event behind it in consent.events."""
    event = "" if row.event is None else f" ← {row.event[0]}:{row.event[1]}"
    late = "" if row.latency is None else f" {_span(row.latency)}"
    return f"{row.partition}:{row.offset}{event}{late}"


def _span(micros: int) -> str:
    """Milliseconds, but of what was written anew, by a rebuild or from a backlog."""
    for unit, size in (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND)):
        if abs(micros) >= 2 * size:
            return f"{micros / size:+.1f} {unit}"
    return f"{micros / 1000:+.0f} ms"


def _cut(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
