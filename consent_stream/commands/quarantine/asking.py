"""Before something is done to many records: which, and does somebody want it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from consent_stream.inspection.quarantine import Wanted


def some(wanted: Wanted, marked: bool) -> None:
    """Errors: UsageError when nothing says which records are meant: all of them is seldom meant."""
    if not any(wanted):
        raise click.UsageError("which records? P:OFFSET, or --code, --stage, --topic, --since, --until, --withdrawals")
    if marked and not wanted.places:
        raise click.UsageError("--all puts back what was put back before: name each, as P:OFFSET")


def confirmed(question: str) -> None:
    """Errors: UsageError when nobody is here to ask; Abort for a no."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody is here to ask ({question}): say --yes, or --dry-run")
    click.confirm(question, abort=True, err=True)
