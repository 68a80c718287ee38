"""Where answers for people are printed."""

from rich.console import Console

WIDE = 200  # columns where there is no terminal: rich takes 80, and what is cut there is useless to a script or a log


def console() -> Console:
    """Standard output, as wide as the terminal is."""
    found = Console(highlight=False)
    return found if found.is_terminal else Console(highlight=False, width=WIDE)
