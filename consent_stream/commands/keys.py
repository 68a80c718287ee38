"""`consent-stream keys new|rotate|list|check|derive`: key files."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click
from confluent_kafka import KafkaException

from consent_stream.commands.options import settings_options
from consent_stream.keyfile import RootKeys, load_keys, new_keys, rotate_keys, text_of, write_new
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation, read_control
from consent_stream.wire.avro import WireError
from consent_stream.wire.control import KEYS, decode_keys, named
from consent_stream.wire.keys import Keyring

FILE = click.argument("file", type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """Key files: what turns an address into the key it is kept under."""


@command.command()
@FILE
def new(file: Path) -> None:
    """Make FILE with one fresh root key (mode 0600). An existing file is never overwritten (exit 2).

    \b
    consent-stream keys new keys.toml
    """
    try:
        keys = new_keys(file)
    except FileExistsError as error:
        raise _Refused(f"{file} exists: a root key that is lost makes every address under it unknown") from error
    except OSError as error:
        raise _Refused(f"{file}: {error.strerror}") from error
    click.echo(f"{file}: key {keys.current}, mode 0600. Back it up: nothing can replace it.")


@command.command()
@FILE
def rotate(file: Path) -> None:
    """Add a fresh root key to FILE and make it the current one; every older key stays.

    Give the file to the gates first and to the workers when every gate has it: a gate that lacks a key in use denies.

    \b
    consent-stream keys rotate keys.toml
    """
    try:
        keys = rotate_keys(file)
    except OSError as error:
        raise _Refused(f"{file}: {error.strerror}") from error
    click.echo(
        f"{file}: current is key {keys.current}; live: {_ids(keys.kids)}. Back it up, "
        "give it to the gates, then to the workers, derive the keys of tenants again."
    )


@command.command("list")
@FILE
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def list_(file: Path, as_json: bool) -> None:
    """What is in FILE: key ids, which one is current, and fingerprints, which tell nothing about the keys.

    \b
    consent-stream keys list keys.toml
    """
    keys = load_keys(file)
    prints = keys.keyring().fingerprints()
    if as_json:
        told = {"current": keys.current, "kids": keys.kids, "fingerprints": prints, "tenants": keys.tenants}
        click.echo(json.dumps({**told, "development": keys.development}))
        return
    for kid in keys.kids:
        click.echo(f"key {kid}  {prints[str(kid)]}{'  current' if kid == keys.current else ''}")
    if keys.tenants:
        click.echo(f"derived, of {', '.join(keys.tenants)}")
    if keys.development:
        click.echo("for development: never for real people")


@command.command()
@FILE
@click.option("--offline", is_flag=True, help="Look at the file alone.")
@settings_options()
def check(settings: Settings, file: Path, offline: bool) -> None:
    """Is FILE well-formed and kept safe, and are its keys those that the lists are written with?

    Exit 0: a gate can answer with it; 1: it could not; 2: the file cannot be used.

    \b
    consent-stream keys check keys.toml --bootstrap HOST:PORT
    """
    keys = load_keys(file)
    if not offline:
        _compare(settings, keys.keyring())
    click.echo(f"{file}: keys {_ids(keys.kids)}, current {keys.current}")


@command.command()
@FILE
@click.option("--tenant", "tenants", multiple=True, required=True, help="Whose; may be given several times.")
@click.option("--out", type=click.Path(path_type=Path), help="A new file, mode 0600. Default: standard output.")
def derive(file: Path, tenants: tuple[str, ...], out: Path | None) -> None:
    """The keys of single tenants, as a key file for gates that answer for these alone.

    Nobody can work out another tenant's keys from them, nor a root key. They are as secret as the lists they open.

    \b
    consent-stream keys derive keys.toml --tenant acme --out acme.toml
    """
    roots = load_keys(file)
    if roots.derived:
        raise _Refused(f"{file}: keys of single tenants; others can be derived from root keys alone")
    if any(not tenant for tenant in tenants):
        raise click.BadParameter("a tenant has a name", param_hint="--tenant")
    if out is None and sys.stdout.isatty():
        raise _Refused("keys are not shown on a terminal: give --out FILE")
    keyring = roots.keyring()
    derived = {(tenant, kid): keyring.tenant_key(tenant, kid) for tenant in tenants for kid in roots.kids}
    text = text_of(RootKeys({}, roots.current, roots.development, derived, keyring.fingerprints()))
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        write_new(out, text)
    except FileExistsError as error:
        raise _Refused(f"{out} exists, and is not overwritten") from error
    except OSError as error:
        raise _Refused(f"{out}: {error.strerror}") from error
    click.echo(f"{out}: keys {_ids(roots.kids)} of {', '.join(sorted(set(tenants)))}, mode 0600")


def _compare(settings: Settings, keyring: Keyring) -> None:
    """Errors: ClickException (exit 1) when a gate with these keys would deny."""
    try:
        record = read_control(settings).get(named(KEYS, active_generation(settings)))
        told = decode_keys(record) if record is not None else {}
    except (Unreachable, WireError) as error:
        raise click.ClickException(str(error)) from error
    except KafkaException as error:
        raise click.ClickException(f"Kafka did not answer, or refused: {error.args[0].str()}") from error
    if other := keyring.differing(told):
        raise click.ClickException(f"key {_ids(other)} is not the one that the lists are written with")
    if gone := keyring.lacking(told):
        raise click.ClickException(f"key {_ids(gone)} is missing, under which rows stand")


def _ids(kids: object) -> str:
    assert isinstance(kids, tuple | list)
    return ", ".join(map(str, kids))


class _Refused(click.ClickException):
    exit_code = 2
