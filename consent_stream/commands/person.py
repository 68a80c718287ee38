"""The flags by which one person is meant, for commands that read the log itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

_OPTIONS = (
    click.option("--tenant", required=True, help="On whose behalf."),
    click.option("--email", help="The e-mail address."),
    click.option("--phone", help="The phone number: E.164, or national with --region."),
    click.option("--contact", help="The tenant's own id of the person; alone, or beside the address."),
    click.option(
        "--key", "hexes", multiple=True, metavar="HEX", help="Subject keys in place of these. May be repeated."
    ),
    click.option("--region", metavar="XX", help="Country of a national phone number."),
)


def person_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these flags; it receives `hexes` for the keys, for `keys` is a setting."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def one_person(given: Mapping[str, Any]) -> None:
    """Errors: UsageError when it is not one person that these flags mean."""
    addresses = sum(given[name] is not None for name in ("email", "phone")) + bool(given["hexes"])
    if addresses > 1 or (not addresses and given["contact"] is None):
        raise click.UsageError("give one of --email, --phone and --key, or --contact, or an address and --contact")
