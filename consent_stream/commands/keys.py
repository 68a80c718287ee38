"""`consent-stream keys new`: root key files."""

from pathlib import Path

import click

from consent_stream.keyfile import new_keys


@click.group()
def command() -> None:
    """Root key files: what turns an address into the key it is kept under."""


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
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


class _Refused(click.ClickException):
    exit_code = 2
