"""Rows of a replica: which record of a key stands, and what a stored row says.

1. The greater (generation, version) stands, whatever the order of arrival; equal ones mean equal bytes.
2. A record that is null or cannot be read never allows and never makes forget: the last readable row stays, marked.
   A marked key is not answered (`not_ready`), for the list has said something about it that is not known here.
3. A mark goes with the next readable record that is at least as new.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from consent_stream.domain.registers import Registers
from consent_stream.wire.avro import WireError
from consent_stream.wire.schemas import SUPPRESSION
from consent_stream.wire.suppression import decode_entry

MARK = b"\0"  # before the last readable row, if any; a suppression begins with 0xC3
NO_ORDER = (-1, -1)
_NOTHING = Registers()


class Row(NamedTuple):
    """A stored row. sound: whether an answer may rest on it; `registers` hold what is known all the same."""

    tenant: str
    channel: str
    registers: Registers
    order: tuple[int, int]  # generation, version
    sound: bool


UNREADABLE = Row("", "", _NOTHING, NO_ORDER, False)


def read_row(stored: bytes) -> Row:
    """What a stored row says. Never raises: bytes that cannot be read, or that know more than we do, are not sound."""
    if stored[:1] == MARK:
        return read_row(stored[1:])._replace(sound=False)
    try:
        entry = decode_entry(stored)
    except WireError:
        return UNREADABLE
    return Row(entry.tenant, entry.channel, entry.registers, (entry.generation, entry.version), True)


@lru_cache(4096)
def _order(stored: bytes) -> tuple[int, int]:
    return read_row(stored).order


def settle(old: bytes | None, value: bytes | None) -> tuple[bytes | None, str]:
    """Which row stands after a record: (bytes to store, None when nothing changes; alarm, empty when all is well).

    A first row of a key is not read here, its header apart: a replica of millions of them starts from the topic.
    """
    if value is None:
        return _marked(old), "null_value"
    if value[:10] != SUPPRESSION:
        return _marked(old), "unreadable_value"
    if old is None:
        return value, ""
    order = _order(value)
    if order == NO_ORDER:
        return _marked(old), "unreadable_value"
    # Equal: a replay, or the record that takes a mark away. (What is stored of a mark alone is older than anything.)
    if order < _order(old):
        return None, ""
    return (None if value == old else value), ""


def _marked(old: bytes | None) -> bytes | None:
    if old is None:
        return MARK
    return None if old[:1] == MARK else MARK + old
