"""Waiting until what was published is enforced: `--wait` of the commands that publish."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import click

from consent_stream.settings import Settings
from consent_stream.wire.topics import SUPPRESSION


def await_enforced(settings: Settings, furthest: Mapping[int, int], seconds: float) -> None:
    """Return when every list has everything up to `furthest` (partition of consent.events → offset).

    Errors: ClickException, which is exit 1, when one has not within `seconds`.
    """
    from consent_stream.gate import Gate, MemoryReplica  # LMDB and more: not for the many who only publish

    class Rowless(MemoryReplica):
        """How far a list is, without its rows: nobody asks about a person here."""

        def apply(self, rows: Mapping[bytes, bytes], offsets: Mapping[int, int], *more: Any, **named: Any) -> None:
            super().apply({}, offsets, *more, **named)

    deadline = time.monotonic() + seconds
    settings = replace(settings, keys=None)
    with ExitStack() as stack:
        gates = {each: stack.enter_context(Gate(settings, channel=each, store=Rowless())) for each in SUPPRESSION}
        for channel, gate in gates.items():
            for partition, offset in furthest.items():
                if not gate.wait_for((partition, offset), max(0.0, deadline - time.monotonic())):
                    because = gate.status().trouble
                    late = f"{partition}:{offset} is not enforced in suppression.{channel} within {seconds:g} s"
                    raise click.ClickException(f"{late}: {because}" if because else late)
    click.echo("enforced", err=True)
