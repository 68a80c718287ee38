"""`consent-stream report`: counts of a month that single nobody out."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from consent_stream.commands.bars import reading
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.unanswered import Unanswered, answering
from consent_stream.settings import Settings

if TYPE_CHECKING:
    from consent_stream.analytics.months import Cell

FEW = "<20"


@click.command()
@click.option("--month", "text", required=True, metavar="YYYY-MM", help="A month (UTC) that is over for a day.")
@click.option("--tenant", help="The lines of this tenant alone.")
@click.option(
    "--kept", type=click.Path(file_okay=False, path_type=Path), help="Where tables are kept. Default: DATA_DIR/reports."
)
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for the workers in.")
@click.option("--json", "as_json", is_flag=True, help="JSON in place of CSV.")
@settings_options("data_dir")
def command(settings: Settings, text: str, tenant: str | None, kept: Path | None, timeout: float, as_json: bool) -> int:
    """Print how many people said no, why, and how many came back, by tenant and list, in a calendar month.

    Fewer than 20 people are not told; other counts are told rounded down to a multiple of 5, and totals are sums of
    what is told. A month is counted once and kept: the same month is the same table for ever. docs/analytics.md says
    what that promises, and what not.

    Exit 0; 2: the month is not over, or not worked off, or no longer in consent.changes; no Kafka, no worker.

    \b
    consent-stream report --month 2026-10 > 2026-10.csv
    """
    from consent_stream.analytics.monthly import Untellable, keep
    from consent_stream.analytics.months import month

    try:
        wanted = month(text)
    except ValueError:
        raise click.BadParameter("YYYY-MM is expected", param_hint="--month") from None
    folder = kept or settings.data_dir / "reports"
    try:
        with answering(), reading("consent.changes") as seen:
            table = keep(folder, settings, wanted, time.time_ns() // 1000, timeout, seen)
    except Untellable as error:
        raise Unanswered(str(error)) from error
    except OSError as error:
        raise Unanswered(f"{error.filename or folder}: {error.strerror or error}") from error
    cells = [each for each in table.cells if tenant in (None, each.tenant)]
    if not cells:
        raise click.BadParameter("no such tenant in the policy of that table", param_hint="--tenant")
    click.echo(_json(table.month, cells) if as_json else _csv(cells), nl=False)
    return 0


def _csv(cells: list[Cell]) -> str:
    out = io.StringIO()
    lines = csv.writer(out, lineterminator="\n")
    lines.writerow(("month", "tenant", "list", "what", "people"))
    lines.writerows((*each[:4], FEW if each.people is None else each.people) for each in cells)
    return out.getvalue()


def _json(month: str, cells: list[Cell]) -> str:
    from consent_stream.analytics.disclosure import LEAST, STEP

    rows: list[dict[str, Any]] = [
        {name: value for name, value in each._asdict().items() if name != "month"} for each in cells
    ]
    return json.dumps({"month": month, "least": LEAST, "step": STEP, "cells": rows}) + "\n"
