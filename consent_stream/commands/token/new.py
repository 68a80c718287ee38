"""`consent-stream token new`: the link of one message."""

from __future__ import annotations

import json
from pathlib import Path

import click

from consent_stream.settings import SettingsError
from consent_stream.wire.keys import UnknownTenantKey


@click.command()
@click.option("--tenant", required=True, help="On whose behalf the message is sent.")
@click.option("--email", help="The e-mail address.")
@click.option("--phone", help="The phone number: E.164, or national with --region.")
@click.option("--key", metavar="HEX", help="The subject key of an e-mail address, in place of it.")
@click.option("--contact", help="The tenant's own id of the person, when known.")
@click.option("--region", metavar="XX", help="Country of a national phone number.")
@click.option("--program", default="*", show_default=True, help="The message's scope.")
@click.option("--message-id", default="", help="The message's id.")
@click.option("--base-url", default="https://consent.example.com", show_default=True, envvar="CONSENT_BASE_URL")
@click.option("--mail", metavar="ADDRESS", help="Where the edge reads unsubscribes by mail.")
@click.option("--keys", type=click.Path(path_type=Path), envvar="CONSENT_KEYS", show_envvar=True, help="Key file.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def command(
    tenant: str,
    email: str | None,
    phone: str | None,
    key: str | None,
    contact: str | None,
    region: str | None,
    program: str,
    message_id: str,
    base_url: str,
    mail: str | None,
    keys: Path | None,
    as_json: bool,
) -> None:
    """Print the token of a message, the links it makes, and the headers of the mail (RFC 8058).

    \b
    consent-stream token new --tenant acme --email ana@example.com --program news --message-id m-1 --keys keys.toml
    """
    from consent_stream.links import Sender, preferences_url, unsubscribe_url

    if keys is None:
        raise SettingsError("keys", "links are signed with them: the root key file, or one of derived keys")
    raw = _bytes(key)
    try:
        sender = Sender(keys, base_url, mail)
        token = sender.token(
            tenant,
            email=email,
            phone=phone,
            key=raw,
            contact=contact,
            region=region,
            scope=program,
            message_id=message_id,
        )
    except UnknownTenantKey as error:
        raise click.UsageError(f"--tenant {tenant}: no key for it in {keys}") from error
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    told = {
        "token": token,
        "unsubscribe": unsubscribe_url(token, base_url),
        "preferences": preferences_url(token, base_url),
    }
    headers = sender.headers(token)
    if as_json:
        click.echo(json.dumps({**told, "headers": headers}))
        return
    for name, value in told.items():
        click.echo(f"{name}: {value}")
    for name, value in headers.items():
        click.echo(f"{name}: {value}")


def _bytes(key: str | None) -> bytes | None:
    try:
        return None if key is None else bytes.fromhex(key)
    except ValueError:
        raise click.BadParameter("hex digits are expected", param_hint="--key") from None
