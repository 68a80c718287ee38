"""`consent-stream acls show|diff|apply`: who may do what in Kafka."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click
from confluent_kafka import KafkaError, KafkaException

from consent_stream.acls import AclAdmin, Difference, Found, compare
from consent_stream.commands.options import settings_options
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable
from consent_stream.wire.acls import ROLES, Rule, rules

ROLE = click.option("--role", type=click.Choice(list(ROLES)), required=True, help="Which process.")
PRINCIPAL = click.option("--principal", required=True, metavar="User:NAME", help="Who it is to Kafka.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
def command() -> None:
    """The least that each process must be allowed in Kafka: show it, compare it, grant it."""


@command.command()
@click.option("--role", type=click.Choice(list(ROLES)), help="Which process. Default: what roles there are.")
@JSON
@settings_options()
def show(settings: Settings, role: str | None, as_json: bool) -> None:
    """The permissions of a role, for the topics of --topic-prefix. Asks no Kafka.

    \b
    consent-stream acls show
    consent-stream acls show --role gate
    """
    if role is None:
        if as_json:
            click.echo(json.dumps({name: doc for name, (doc, _) in ROLES.items()}))
            return
        for name, (doc, _) in ROLES.items():
            click.echo(f"{name:10} {doc}")
        return
    wanted = rules(role, settings.topic_prefix)
    if as_json:
        click.echo(json.dumps({"role": role, "rules": [each._asdict() for each in wanted]}))
        return
    for each in wanted:
        click.echo(_line(each))


@command.command()
@ROLE
@PRINCIPAL
@JSON
@settings_options()
def diff(settings: Settings, role: str, principal: str, as_json: bool) -> None:
    """What a principal lacks for a role, and what it may beside it. Exit 1 when there is anything.

    \b
    consent-stream acls diff --role gate --principal User:mailer
    """
    admin = AclAdmin(settings, _principal(principal))
    found = _asked(lambda: compare(rules(role, settings.topic_prefix), admin.read()))
    _tell(found, as_json)
    if found.missing or found.beyond:
        raise SystemExit(1)


@command.command()
@ROLE
@PRINCIPAL
@click.option("--only", is_flag=True, help="Take away what the principal may beside this role.")
@JSON
@settings_options()
def apply(settings: Settings, role: str, principal: str, only: bool, as_json: bool) -> None:
    """Grant a principal what it lacks for a role. Needs Alter on the cluster. Exit 0 also when something is beyond it.

    \b
    consent-stream acls apply --role gate --principal User:mailer
    """
    admin = AclAdmin(settings, _principal(principal))

    def put_right() -> Difference:
        found = compare(rules(role, settings.topic_prefix), admin.read())
        admin.allow(found.missing)
        if only:
            admin.remove(found.beyond)
        return found

    found = _asked(put_right)
    if as_json:
        _tell(found, True)
        return
    taken = f", {len(found.beyond)} taken away" if only and found.beyond else ""
    click.echo(f"{principal} as {role}: {len(found.missing)} granted{taken}")
    if found.beyond and not only:
        click.echo(f"{len(found.beyond)} beside this role: consent-stream acls diff", err=True)


def _principal(text: str) -> str:
    kind, colon, name = text.partition(":")
    if not (kind and colon and name) or name == "*":
        raise click.BadParameter(f"{text!r} is not User:NAME", param_hint="--principal")
    return text


def _asked(ask: Callable[[], Difference]) -> Difference:
    try:
        return ask()
    except Unreachable as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        told = error.args[0]
        if told.code() == KafkaError.CLUSTER_AUTHORIZATION_FAILED:  # whose own text is the dump of a request
            raise click.ClickException("not allowed: ACLs need Describe on the cluster, and apply Alter") from error
        raise click.ClickException(f"Kafka refused: {told.str()}") from error


def _tell(found: Difference, as_json: bool) -> None:
    if as_json:
        missing, beyond = [each._asdict() for each in found.missing], [_fields(each) for each in found.beyond]
        click.echo(json.dumps({"missing": missing, "beyond": beyond}))
        return
    for each in found.missing:
        click.echo(f"missing  {_line(each)}")
    for acl in found.beyond:
        click.echo(f"{'denied' if acl.deny else 'beyond':8} {_line(acl.rule)} from {acl.host}")


def _fields(found: Found) -> dict[str, Any]:
    return {**found.rule._asdict(), "host": found.host, "deny": found.deny}


def _line(rule: Rule) -> str:
    name = rule.name + ("*" if rule.pattern == "prefixed" else "")
    return f"{rule.operation:16} {rule.resource} {name}"
