"""What the commands of the quarantine share: which records."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from consent_stream.commands.instants import Instant

if TYPE_CHECKING:
    from consent_stream.wire.marks import Place


class PlaceType(click.ParamType):
    """`P:OFFSET`: partition and offset in `consent.quarantine`."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        """Errors: click's own, one line."""
        if isinstance(value, tuple):
            return value
        partition, colon, offset = value.partition(":")
        if not (colon and all(each.isascii() and each.isdigit() and len(each) < 19 for each in (partition, offset))):
            self.fail(f"{value!r} is no PARTITION:OFFSET of consent.quarantine, as `quarantine list` tells it", param)
        return int(partition), int(offset)


def selection(places: bool) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The flags that say which records; the command receives `wanted`. places: and arguments P:OFFSET."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(command)
        def selecting(**given: Any) -> Any:
            from consent_stream.inspection.quarantine import Wanted

            taken = {name: given.pop(name) for name in Wanted._fields if name in given}
            if places:
                taken["places"] = frozenset(taken["places"])
            return command(wanted=Wanted(**taken), **given)

        decorated: Callable[..., Any] = selecting
        for option in reversed(_OPTIONS):
            decorated = option(decorated)
        if places:
            decorated = click.argument("places", metavar="[P:OFFSET]…", nargs=-1, type=PlaceType())(decorated)
        return decorated

    return decorate


_OPTIONS = (
    click.option("--code", "codes", multiple=True, help="With this code. May be given several times, as the next two."),
    click.option("--stage", "stages", multiple=True, type=click.Choice(("intake", "state")), help="Of this stage."),
    click.option("--topic", "topics", multiple=True, help="From this topic (its full name)."),
    click.option("--since", type=Instant(), help="Quarantined at or after it: RFC 3339, or 90s, 5m, 2h, 3d ago."),
    click.option("--until", type=Instant(), help="Quarantined before it."),
    click.option("--withdrawals", is_flag=True, help="That may be a withdrawal."),
)
