"""The state of a key stays small, and folding into it does not slow down as it grows old."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from consent_stream.domain.registers import Registers
from consent_stream.wire.state import decode_registers, encode_registers

from .compare import instant
from .harness import World, canonical_text, key_of, run
from .histories import POLICY
from .test_derivation import EMAIL, PHONE, arrival

NOTICE = {"id": "n1", "version": 1}


def uid(n: int) -> str:
    """As long as the ids that senders use."""
    return f"8f0c1f2e-0000-4000-8000-{n:012}"


def of(world: World, channel: str, address: str) -> Registers:
    return world.registers[key_of("acme", channel, address)]


def test_an_ordinary_person_takes_less_than_a_kibibyte() -> None:
    of_email = {"email": EMAIL, "channel": "email"}
    topics = {"news/weekly": False, "offers": True, "events": True}
    world, codes = run(POLICY, [
        arrival(uid(1), "consent.confirmed", contact="c", scope="news/weekly", notice=NOTICE, **of_email),
        arrival(uid(2), "preference.set", contact="c", topics=topics, notice=NOTICE, **of_email),
        arrival(uid(3), "unsubscribe.oneclick", scope="offers", **of_email),
        arrival(uid(4), "delivery.succeeded", **of_email),
    ])  # fmt: skip
    assert not codes
    assert 200 < len(encode_registers(of(world, "email", EMAIL))) <= 1024
    assert len(encode_registers(of(world, "contact", "c"))) <= 1024


def test_a_key_at_every_bound_takes_128_kibibytes_at_most() -> None:
    """With texts of usual length. (Links are apart: 20 bytes each, and the rules allow 10,000 of them.)"""
    subject: dict[str, Any] = {"email": EMAIL, "phone": PHONE}
    history = []
    for n in range(300):
        scope = f"program-{n:04}/topic"
        history += [
            arrival(uid(n), "consent.withdrawn", scope=scope, channel="email", **subject),
            arrival(uid(n), "sharing.optout", scope=scope, **subject),
            arrival(uid(n), "subject.age_asserted", birth_date=f"{1990 + n % 30}-01-01", **subject),
        ]
    for n in range(256):
        history.append(arrival(uid(n), "consent.invalidated", voids=[f"batch:import-2026-03-{n:04}"], **subject))
    for n in range(600):
        names = [f"marketing:email:program-{n:04}"]
        grant = {"channel": "email", "scope": f"program-{n:04}/topic", "notice": NOTICE, "names": names}
        history.append(arrival(uid(n), "consent.granted", **grant, **subject))
    world, codes = run(POLICY, history)
    assert not codes
    reg = of(world, "email", EMAIL)
    assert (len(reg.restrictions), len(reg.voids), len(reg.births), len(reg.grants)) == (512, 256, 16, 256)
    assert 64 * 1024 < len(encode_registers(reg)) <= 128 * 1024
    assert canonical_text(decode_registers(encode_registers(reg))) == canonical_text(reg)


def test_neither_size_nor_the_work_of_a_fold_grows_with_age() -> None:
    """Work is counted in calls, which other programs on the machine do not change."""
    world = World(POLICY)
    sizes, calls = [], []
    for batch in range(10):
        events = [life(batch * 500 + n) for n in range(500)]
        with counted_calls() as counted:
            for each in events:
                world.hear(each["event"], instant(each["received"]))
        calls.append(len(counted))
        sizes.append(len(encode_registers(of(world, "email", EMAIL))))
    assert max(sizes[2:]) - min(sizes[2:]) < 16, "the state of a busy key is full early and then stays as it is"
    assert calls[0] > 2_000
    assert max(calls[2:]) < 1.1 * min(calls[2:])


@contextmanager
def counted_calls() -> Iterator[list[None]]:
    found: list[None] = []
    sys.setprofile(lambda frame, event, arg: found.append(None) if event.endswith("call") else None)
    try:
        yield found
    finally:
        sys.setprofile(None)


def life(n: int) -> dict[str, Any]:
    """What a person does the n-th time, an hour after the last."""
    kind = ["consent.granted", "consent.withdrawn", "preference.set", "consent.confirmed", "unsubscribe.oneclick"][
        n % 5
    ]
    topics = {"news": bool(n % 2), "offers": bool(n % 3)}
    found = arrival(
        uid(n), kind, email=EMAIL, contact="c", channel="email", scope=["news", "offers", "events/x"][n % 3],
        notice=NOTICE, topics=topics,
    )  # fmt: skip
    at = f"20{26 + n // 8064:02}-{n // 672 % 12 + 1:02}-{n // 24 % 28 + 1:02}T{n % 24:02}:00:00Z"
    found["event"]["time"] = found["received"] = at
    return found
