"""The two clocks of a gate, and the boot that one of them counts from."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # proc(5): made anew at every start of the kernel


class Clock(NamedTuple):
    """Two clocks in microseconds. wall: UTC since the epoch. steady: never set, counts from anywhere.

    The steady one is CLOCK_MONOTONIC, one clock for all processes of a host and boot (clock_gettime(2)), so that an
    instant which one process wrote down has an age in another.
    """

    wall: Callable[[], int] = lambda: time.time_ns() // 1000
    steady: Callable[[], int] = lambda: time.monotonic_ns() // 1000


def boot_id() -> str:
    """Which boot the steady clock counts from; empty where nobody knows, and then nothing outlives its process."""
    return BOOT_ID.read_text().strip() if BOOT_ID.exists() else ""
