"""`consent-stream check`: one answer of a gate, for people and scripts."""

import json
import time

import click
from rich.console import Console
from rich.text import Text

from consent_stream.commands.options import Seconds, settings_options
from consent_stream.domain.times import parse_instant
from consent_stream.gate import Gate, Question, Verdict
from consent_stream.settings import Settings, SettingsError

LISTS = ("email", "sms", "sharing")
ALONE = ("bad_address", "unknown_purpose")  # known without any list
GLANCE = 0.1  # seconds between two looks at how the gate is getting on

WORDS = {
    "stopped": "sending is stopped (kill switch)",
    "not_ready": "the gate has not read its list, or cannot read this row",
    "stale": "there is no proof that recent withdrawals are in the list",
    "unknown_tenant_key": "no key material for this tenant",
    "bad_address": "this is no address",
    "unknown_purpose": "this is no purpose, or no scope, that the list answers for",
    "legal": "blocked for a legal reason",
    "deceased": "the person has died",
    "frozen": "processing is restricted",
    "suppressed_by_staff": "suppressed by staff",
    "minor": "the person is under 16",
    "minor_suspected": "the person may be under 16",
    "erased": "the person was erased on request",
    "reassigned": "the number belongs to somebody else now",
    "complaint": "complained about a message",
    "objected": "objected to direct marketing",
    "global_opt_out": "opted out of everything",
    "sharing_opt_out": "opted out of sharing",
    "sms_stop": "texted STOP",
    "sms_stop_review": "texted what may be a STOP; to be reviewed",
    "unsubscribed": "unsubscribed",
    "topic_opt_out": "opted out of this topic",
    "undeliverable": "messages bounce",
    "expired": "the consent has expired",
    "evidence_too_low": "the evidence of consent is too weak",
    "no_consent": "nobody consented to this",
}


class Unanswered(click.ClickException):
    """There is no list to ask: Kafka or the topic is away, or must not be obeyed."""

    exit_code = 2


@click.command()
@click.option("--tenant", required=True, help="On whose behalf the message is sent.")
@click.option("--email", help="The e-mail address.")
@click.option("--phone", help="The phone number: E.164, or national with --region.")
@click.option("--key", metavar="HEX", help="A subject key in place of the address, as signed links carry it.")
@click.option("--contact", help="The tenant's own id of the person, when known.")
@click.option("--region", metavar="XX", help="Country of a national phone number.")
@click.option("--channel", type=click.Choice(LISTS), help="Which list. Default: sms with --phone, else email.")
@click.option("--purpose", default="marketing", show_default=True)
@click.option("--scope", default="*", show_default=True, help="A program, or program/topic.")
@click.option("--at", metavar="TIME", help="Decide for that instant (RFC 3339). Default: now.")
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to get ready in.")
@click.option("--json", "as_json", is_flag=True, help="The answer as one JSON object.")
@settings_options("keys")
def command(
    settings: Settings,
    tenant: str,
    email: str | None,
    phone: str | None,
    key: str | None,
    contact: str | None,
    region: str | None,
    channel: str | None,
    purpose: str,
    scope: str,
    at: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Ask a gate whether one person may be sent something. Exit 0: yes, 1: no, 2: no answer could be found.

    Freshness is that of now, whatever --at says. A gate that has not caught up in time answers no (not_ready, stale).

    \b
    consent-stream check --tenant acme --email ana@example.com --scope news
    consent-stream check --tenant acme --phone +12015550123 --purpose transactional --json
    """
    if (email is not None) + (phone is not None) + (key is not None) != 1:
        raise click.UsageError("give exactly one of --email, --phone and --key")
    if settings.keys is None:
        raise SettingsError("keys", "the root key file is needed: without it an address cannot be looked up")
    question = Question(tenant, email, phone, key, contact, region, purpose, scope, _instant(at))
    with Gate(settings, channel=channel or ("sms" if phone is not None else "email")) as gate:
        try:
            verdict = _answer(gate, question, timeout)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        behind = gate.status()
    if not verdict and behind.phase in ("connecting", "refused") and verdict.reasons[0] not in ALONE:
        raise Unanswered(behind.trouble or behind.phase)
    if as_json:
        click.echo(json.dumps(_fields(verdict)))
    else:
        _tell(verdict, question, behind.trouble)
    return 0 if verdict else 1


def _answer(gate: Gate, question: Question, timeout: float) -> Verdict:
    (verdict,) = gate.check_many([question])
    if verdict.reasons[:1] and verdict.reasons[0] in ALONE:
        return verdict
    deadline = time.monotonic() + timeout
    console = Console(stderr=True)
    with console.status("reading the list") as spinner:  # shows on a terminal alone
        while not gate.wait_ready(min(GLANCE, max(0.0, deadline - time.monotonic()))):
            status = gate.status()
            if time.monotonic() >= deadline or status.phase == "refused":
                break
            spinner.update(Text(status.trouble or status.phase))
    (verdict,) = gate.check_many([question])
    return verdict


def _instant(at: str | None) -> int | None:
    instant = parse_instant(at)
    if at is not None and instant is None:
        raise click.BadParameter("an RFC 3339 time with a zone is expected", param_hint="--at")
    return instant


def _fields(verdict: Verdict) -> dict[str, object]:
    return {
        "allow": verdict.allow,
        "reasons": verdict.reasons,
        "facts": verdict.facts,
        "version": verdict.version,
        "applied_through": verdict.applied_through,
        "staleness_s": verdict.staleness,
    }


def _tell(verdict: Verdict, question: Question, trouble: str | None) -> None:
    """The answer in words. No address: what a terminal shows is copied into tickets."""
    console = Console(highlight=False)
    word, colour = ("ALLOW", "bold green") if verdict else ("DENY", "bold red")
    console.print(Text.assemble((word, colour), f"  {question.purpose}, scope {question.scope}"))
    for reason in verdict.reasons:
        console.print(Text.assemble("  ", (reason, "yellow"), f": {WORDS[reason]}"))
    if verdict.facts:
        console.print(Text(f"  by event {', '.join(verdict.facts)}"))
    behind = "unknown" if verdict.staleness is None else f"{verdict.staleness:.3f} s behind"
    console.print(Text(f"  version {verdict.version}; freshness: {behind}", style="dim"))
    if trouble and not verdict:
        console.print(Text(f"  {trouble}", style="dim"))
