"""Which events are traced, and the ids of their traces and spans: functions of places, the same in every process."""

from __future__ import annotations

import math
import re
from hashlib import blake2b
from typing import NamedTuple

Place = tuple[int, int]  # partition and offset in consent.events
SpanName = tuple[str, ...]  # which span of a trace: its stage, and what tells it from others of that stage

SPARSEST = 1 << 20
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class Sampling(NamedTuple):
    """One event of `step` is traced, a power of two: those whose offset is step/2 beyond a multiple of it.

    An offset, and no hash of it: where a slice has one is then known without a look at its records.
    """

    step: int

    @classmethod
    def of(cls, ratio: float) -> Sampling | None:
        """The nearest step; None for 0. Errors: ValueError outside of [0, 1]."""
        if not 0 <= ratio <= 1:
            raise ValueError("a ratio is from 0 to 1")
        return cls(min(SPARSEST, 1 << round(-math.log2(ratio)))) if ratio else None

    def takes(self, offset: int) -> bool:
        """Whether the event at an offset is traced."""
        return offset % self.step == self.step >> 1

    def within(self, first: int, next: int) -> range:
        """The offsets in [first, next) that are traced."""
        return range(first + ((self.step >> 1) - first) % self.step, next, self.step)


def trace_id(cluster: str, topic: str, place: Place) -> int:
    """128 bits. cluster: Kafka's id of itself, so that two deployments that share a collector share no trace."""
    told = f"{cluster}\0{topic}\0{place[0]}\0{place[1]}".encode()
    return int.from_bytes(blake2b(told, digest_size=16).digest(), "big") or 1  # 0 is no id (W3C Trace Context §3.2.2)


def span_id(trace: int, name: SpanName) -> int:
    """64 bits."""
    told = trace.to_bytes(16, "big") + "\0".join(name).encode()
    return int.from_bytes(blake2b(told, digest_size=8).digest(), "big") or 1


def list_span(topic: str, partition: int, version: int) -> SpanName:
    """The span of one record of a list, as its writer and its readers name it."""
    return "list", topic, str(partition), str(version)


def told_tenant(tenant: str) -> str:
    """A tenant as an attribute: a sender can write anything there, and what is no plain name may be an address."""
    return tenant if _NAME.fullmatch(tenant) else "other"


class Remote(NamedTuple):
    """What an incoming `traceparent` names."""

    trace: int
    span: int


def remote(traceparent: str) -> Remote | None:
    """The ids of a W3C `traceparent`; None for what is none (§3.2)."""
    parts = traceparent.split("-")
    if len(parts) < 4 or [len(each) for each in parts[:4]] != [2, 32, 16, 2] or parts[0] == "ff":
        return None
    if parts[0] == "00" and len(parts) != 4:
        return None
    if any(set(each) - set("0123456789abcdef") for each in parts[:4]):
        return None
    found = Remote(int(parts[1], 16), int(parts[2], 16))
    return found if found.trace and found.span else None
