"""Inputs that are nearly right: true ones with bytes changed, cut out, doubled, moved and put together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from random import Random

SECONDS = float(os.environ.get("CONSENT_FUZZ_SECONDS", "0.8"))  # for each reader
SEED = os.environ.get("CONSENT_FUZZ_SEED", "consent")  # `make fuzz` takes another each time and says which
SLOWEST = 1.0  # seconds of processor time for one input of a few KiB
INTERESTING = [
    b"\0", b"\xff", b"\x80", b"\x7f", b"\x80" * 9 + b"\x01", b"\xff" * 9 + b"\x01", b"\xfe\xff\xff\xff\x0f", b"NaN",
    b"1e999", b"9" * 400, b"\\ud800", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xae", b"[" * 2_000, b'{"a":' * 500,
    b"null", b"-1", b'""', b"\r\n", b"'''", b"\xf0\x9f\x98\x80", b"\xd0\xb0", b"=?utf-8?q?", b"\0" * 300, b'"', b"@",
]  # fmt: skip


def mutated(random: Random, seeds: Sequence[bytes]) -> bytes:
    """One of `seeds` with one to eight changes; at most 64 KiB."""
    raw = bytearray(random.choice(seeds))
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        at = random.randrange(len(raw) + 1)
        size = min(random.choice((1, 1, 2, 4, 16, 64)), len(raw) - at)
        match random.randrange(7):
            case 0 if at < len(raw):
                raw[at] ^= 1 << random.randrange(8)
            case 1 if at < len(raw):
                raw[at] = random.randrange(256)
            case 2:
                del raw[at : at + size]
            case 3:
                raw[at:at] = random.choice(INTERESTING)
            case 4:
                raw[at : at + size] = random.choice(INTERESTING)
            case 5:
                raw[at:at] = raw[at : at + size] * random.choice((1, 2, 50))
            case _:
                other = random.choice(seeds)
                start = random.randrange(len(other) + 1)
                raw[at:] = other[start:]
    return bytes(raw[: 64 << 10])


def inputs(name: str, seeds: Sequence[bytes], seconds: float = SECONDS, most: int = 20_000) -> Iterator[bytes]:
    """The same ones in every run of one seed, as many as there is time for."""
    random, until = Random(f"{SEED}/{name}"), time.monotonic() + seconds
    for _ in range(most if "CONSENT_FUZZ_SECONDS" not in os.environ else 1 << 62):
        if time.monotonic() > until:
            return
        yield mutated(random, seeds)


def ends_well(read: Callable[[bytes], object], raw: bytes, errors: tuple[type[Exception], ...]) -> bool:
    """Whether it was read; in time, and with no other error than the documented ones."""
    began = time.process_time()
    try:
        read(raw)
        done = True
    except errors:
        done = False
    except BaseException as exc:
        raise AssertionError(f"{type(exc).__name__} for {raw[:2000]!r}") from exc
    took = time.process_time() - began
    assert took < SLOWEST, f"{took:.1f} s for {raw[:2000]!r}"
    return done
