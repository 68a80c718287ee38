"""Where answers for people are printed."""

from datetime import UTC, datetime

from rich.console import Console
from rich.markup import escape

WIDE = 200  # columns where there is no terminal: rich takes 80, and what is cut there is useless to a script or a log


def console() -> Console:
    """Standard output, as wide as the terminal is."""
    found = Console(highlight=False, emoji=False)  # `marketing:email:news` is a node, and no picture of a letter
    return found if found.is_terminal else Console(highlight=False, emoji=False, width=WIDE)


def printable(text: str) -> str:
    """Others' texts, such as ids and reasons: nothing that moves a terminal's cursor."""
    return "".join(char if char.isprintable() else "�" for char in text)


def plain(text: str) -> str:
    """The same for rich: no markup either."""
    return escape(printable(text))


def clock(instant: int) -> str:
    """An instant (µs) in UTC, to the millisecond. Anybody may have written it: one that no calendar has is a number."""
    try:
        return datetime.fromtimestamp(instant / 1e6, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return f"{instant} µs"
