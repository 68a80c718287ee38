"""`consent-stream why`: why somebody may be sent something, or not, with the whole chain behind it."""

from __future__ import annotations

import json
from typing import Any

import click

from consent_stream.commands.bars import reading_bars
from consent_stream.commands.instants import instant_given
from consent_stream.commands.options import Seconds, settings_options
from consent_stream.commands.person import one_person, person_options
from consent_stream.commands.unanswered import Unanswered
from consent_stream.keyfile import load_keyring
from consent_stream.policyfile import load_policy
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring

LISTS = ("email", "sms", "sharing")


@click.command()
@person_options
@click.option("--channel", type=click.Choice(LISTS), help="Which list. Default: sms with --phone, else email.")
@click.option("--purpose", default="marketing", show_default=True)
@click.option("--scope", default="*", show_default=True, help="A program, or program/topic.")
@click.option("--at", metavar="TIME", help="What was true at that instant, by all that is known today (RFC 3339).")
@click.option("--known-at", metavar="TIME", help="By what was known at that instant.")
@click.option("--timeout", type=Seconds(), default=10.0, show_default=True, help="Seconds to wait for the workers in.")
@click.option("--json", "as_json", is_flag=True, help="The chain as one JSON object (docs/why.md).")
@settings_options("keys", "policy")
def command(
    settings: Settings,
    at: str | None,
    known_at: str | None,
    timeout: float,
    as_json: bool,
    **given: Any,
) -> int:
    """Tell why one person may or may not be sent something, and what led to it, event by event.

    Reads the log itself, of this person's partitions: facts, records of the lists, changes, messages; and the reports
    of the gates. --policy names the file that has the notices' hashes; the rules are those that the workers publish. No
    address is shown.

    Exit 0: yes. 1: no. 2: no answer, or a yes that unreadable records make doubtful.

    \b
    consent-stream why --tenant acme --email ana@example.com --scope news
    consent-stream why --tenant acme --email ana@example.com --scope news --known-at 2026-03-01T12:00:00Z --json
    """
    from consent_stream.commands.why_report import show
    from consent_stream.inspection.topicread import Unread
    from consent_stream.inspection.whyread import Asked, NoKey, case_for, check_keys, read_why

    _refuse(given)
    instants = {"at": instant_given(at, "--at"), "known_at": instant_given(known_at, "--known-at")}
    channel = given.pop("channel") or ("sms" if given["phone"] is not None else "email")
    asked = Asked(channel=channel, keys=given.pop("hexes"), **given)
    keyring = _keyring(settings)
    notices = None if settings.policy is None else load_policy(settings.policy)[0].notices
    try:
        case, cautions = case_for(asked, keyring)
        if keyring is not None:
            check_keys(settings, keyring)
        cautions += _stopped(settings, asked.tenant, channel) if at is None and known_at is None else []
        with reading_bars() as tell:
            chain = read_why(settings, case, **instants, notices=notices, cautions=cautions, seconds=timeout, tell=tell)
    except NoKey as error:
        raise click.UsageError(str(error)) from error
    except Unread as error:
        raise Unanswered(str(error)) from error
    if as_json:
        click.echo(json.dumps(chain.fields()))
    else:
        show(chain)
    if chain.allow and chain.damaged:
        raise Unanswered(f"{len(chain.damaged)} records of this person cannot be read: a withdrawal may be among them")
    return 0 if chain.allow else 1


def _refuse(given: dict[str, Any]) -> None:
    one_person(given)
    if (given["channel"] == "sms" and given["email"]) or (given["channel"] == "email" and given["phone"]):
        raise click.UsageError(f"the list {given['channel']} knows no such addresses: another --channel")


def _keyring(settings: Settings) -> Keyring | None:
    return None if settings.keys is None else load_keyring(settings.keys)


def _stopped(settings: Settings, tenant: str, channel: str) -> list[str]:
    """Kill switches that stop this person's messages, whatever the answer."""
    from consent_stream.commands.switching import switches
    from consent_stream.commands.switching import words as covers
    from consent_stream.wire.stops import covering

    return [
        f"sending is stopped ({covers(which)}), by {stop.by}: {stop.reason}"
        for which, stop in covering(switches(settings), tenant, channel)
    ]
