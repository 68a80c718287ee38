"""`consent-stream scrub`: a list cleaned before it is mailed, with a report that proves it."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.stopping import asked_to_stop
from consent_stream.gate import Gate, ReplicaFault
from consent_stream.gate.scrub.cleaning import Order, clean, look, registered, sift
from consent_stream.gate.scrub.csvrows import FileFault
from consent_stream.gate.scrub.outputs import STANDARD, OutputFault, refuse
from consent_stream.gate.scrub.running import Stopped, Unproven
from consent_stream.settings import Settings, SettingsError

FAULTY = 3  # exit: the list is clean, and some lines need a look
GLANCE = 0.1  # seconds between two looks at how the gate is getting on
PROBES = {False: "probe@example.com", True: "+12015550123"}  # answered for its faults alone
WORD = {"unknown_tenant_key": "--tenant: no key material for it", "unknown_purpose": "--purpose or --scope: is none"}


class Refused(click.ClickException):
    """Nothing was written."""

    exit_code = 2


@click.command()
@click.argument("source", metavar="IN", type=click.Path(path_type=Path))
@click.argument("kept", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--removed", required=True, type=click.Path(path_type=Path), help="The other rows, each with its reason.")
@click.option("--report", required=True, type=click.Path(path_type=Path), help="What was done, as JSON.")
@click.option("--tenant", required=True, help="On whose behalf the messages are sent.")
@click.option("--channel", type=click.Choice(("email", "sms", "sharing")), help="Default: sms with phones, else email.")
@click.option("--purpose", default="marketing", show_default=True)
@click.option("--scope", default="*", show_default=True, help="A program, or program/topic.")
@click.option("--email-column", metavar="NAME", help="Where the address is. Default: email, in any capitals.")
@click.option("--phone-column", metavar="NAME", help="Where the number is, for phones. With channel sms: phone.")
@click.option("--contact-column", metavar="NAME", help="Where the tenant's own id of the person is.")
@click.option("--region", metavar="XX", help="Country of national phone numbers.")
@click.option("--delimiter", default=",", show_default=True, help="Between fields of a CSV file; `tab` for tabs.")
@click.option("--store", type=click.Path(path_type=Path), help="Read the directory of a `gate follow`, not Kafka.")
@click.option(
    "--timeout", type=Seconds(), default=60.0, show_default=True, help="Seconds for the gate to get ready in."
)
@click.option("--force", is_flag=True, help="Replace outputs that are there.")
@click.option("--json", "as_json", is_flag=True, help="The report on standard output too.")
@settings_options("keys")
def command(
    settings: Settings,
    source: Path,
    kept: Path,
    removed: Path,
    report: Path,
    store: Path | None,
    timeout: float,
    force: bool,
    as_json: bool,
    **given: Any,
) -> int:
    """Clean a list: rows of IN that may be sent to go to OUT as they are, the others to --removed with their reasons.

    IN is CSV in UTF-8 with a header (`-`: standard input), or Parquet (.parquet, .pq). Outputs appear together when all
    is done, or not at all. A list cleaned today is no permission tomorrow: ask again right before the hand-over.

    Exit 0; 3 when lines were broken (they are in no output but --removed); 2 when nothing was written: an argument, a
    file, the disk, or a gate that is not ready in time or grew stale on the way.

    \b
    consent-stream scrub list.csv clean.csv --removed removed.csv --report report.json --tenant acme --scope news
    """
    order = _order(source, kept, removed, report, given)
    if settings.keys is None:
        raise SettingsError("keys", "the root key file is needed: without it an address cannot be looked up")
    if as_json and STANDARD in (kept, removed, report):
        raise click.UsageError("--json: standard output is an output already")
    try:
        refuse(source, (removed, report, kept), force)
        order = look(order)
        with asked_to_stop() as stopped, _gate(settings, order.channel, store) as gate:
            _get_ready(gate, order, timeout, stopped)
            with _bar(order) as seen:
                told = _clean(order, gate, stopped, seen)
    except OutputFault as error:
        raise Refused(str(error)) from error
    except FileFault as error:
        raise Refused(f"{source}: {error}") from error
    except OSError as error:
        raise Refused(f"{error.filename or 'an output'}: {error.strerror or error}") from error
    _tell(told, as_json)
    return FAULTY if told["broken"] else 0


def _order(source: Path, kept: Path, removed: Path, report: Path, given: dict[str, Any]) -> Order:
    email, phone = given.pop("email_column"), given.pop("phone_column")
    if email is not None and phone is not None:
        raise click.UsageError("give one of --email-column and --phone-column")
    by_phone = phone is not None or (given["channel"] == "sms" and email is None)
    channel = given.pop("channel") or ("sms" if by_phone else "email")
    if (channel == "email" and by_phone) or (channel == "sms" and email is not None):
        raise click.UsageError(f"--channel {channel} knows no such addresses")
    delimiter = {"tab": "\t", "\\t": "\t"}.get(given["delimiter"], given["delimiter"])
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise click.BadParameter("one ASCII character, not a quote or a line end", param_hint="--delimiter")
    order = Order(source, kept, removed, report, given["tenant"], channel, given["purpose"], given["scope"], by_phone)
    named = {"address": phone or email or "", "contact": given["contact_column"], "region": given["region"]}
    return Order(**{**vars(order), **named, "delimiter": delimiter})


def _gate(settings: Settings, channel: str, store: Path | None) -> Gate:
    try:
        return Gate(settings, channel=channel, store=store, follow=store is None, report=False)
    except ReplicaFault as error:
        raise Refused(str(error)) from error


def _get_ready(gate: Gate, order: Order, timeout: float, stopped: Callable[[], int]) -> None:
    """Until the gate answers for this tenant, purpose and scope. Errors: Refused, with the one thing that is wrong."""
    deadline = time.monotonic() + timeout
    probe = [PROBES[order.phone]]
    with Console(stderr=True).status("reading the list"):  # shows on a terminal alone
        while True:
            (why,) = sift(gate, order, probe).reasons
            for reason in why:
                if reason in WORD:
                    raise Refused(WORD[reason])
            if gate.wait_ready(min(GLANCE, max(0.0, deadline - time.monotonic()))):
                break
            _end(stopped)
            status = gate.status()
            if time.monotonic() >= deadline or status.phase == "refused":
                raise Refused(f"the gate is not ready: {status.trouble or status.phase}")
    if not registered(gate, order.tenant):
        raise Refused("--tenant: the policy of the workers has no such tenant")


def _clean(order: Order, gate: Gate, stopped: Callable[[], int], seen: Callable[[int, int], None]) -> dict[str, Any]:
    try:
        return clean(order, gate, stopped, seen)
    except Unproven as error:
        trouble = gate.status().trouble or "not ready"
        raise Refused(f"the gate was stale or not ready on the way, nothing was written: {trouble}") from error
    except Stopped:
        _end(stopped)
        raise


def _end(stopped: Callable[[], int]) -> None:
    if code := stopped():
        ended = click.ClickException("stopped; nothing was written")
        ended.exit_code = code
        raise ended


@contextmanager
def _bar(order: Order) -> Iterator[Callable[[int, int], None]]:
    """Progress on a terminal. By bytes of a CSV file, which are known before its rows are; by rows of Parquet."""
    total: int | None = None
    if order.parquet:
        from consent_stream.gate.scrub.parquetlist import parquet_file

        total = parquet_file(order.source).metadata.num_rows
    elif order.source != STANDARD:
        total = os.stat(order.source).st_size
    console = Console(stderr=True)
    shown = (TextColumn("scrubbing"), BarColumn(), TaskProgressColumn(), TextColumn("{task.fields[rate]}"))
    with Progress(
        *shown, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=total, rate="")
        started, rows = time.monotonic(), 0

        def seen(size: int, more: int) -> None:
            nonlocal rows
            rows += more
            rate = rows / max(time.monotonic() - started, 1e-6)
            bar.update(task, advance=size, rate=f"{rate:,.0f} rows/s")

        yield seen


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told))
        return
    reasons = ", ".join(f"{reason} {rows:,}" for reason, rows in told["reasons"].items())
    click.echo(
        f"{told['total']:,} rows: {told['kept']:,} kept, {told['removed']:,} removed, {told['broken']:,} broken",
        err=True,
    )
    if reasons:
        click.echo(f"by reason: {reasons}", err=True)
