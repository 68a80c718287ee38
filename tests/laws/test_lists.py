"""The lists beside the registers they were made of: the gate decides the same, a bare mailer passes no block."""

from collections.abc import Iterable
from typing import Any

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import Fact
from consent_stream.domain.nodes import covers
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import LISTS, standing
from consent_stream.wire.suppression import Entry, decode_entry, encode_entry

from .compare import instant
from .harness import World, key_of, run, subject
from .histories import LATE, POLICY, picker, rfc3339, seeded
from .histories import question as asking

ABOUT_PERMISSION = {"expired", "evidence_too_low", "no_consent"}


def entry(world: World, reg: Registers, channel: str, at: int) -> Entry:
    """The record of a key on a list, read back from its bytes."""
    rules = world.policy.tenant(reg.tenant)
    cause = Fact(b"", reg.channels, reg.tenant, "e", "/edge", "x", at, 0, 0, False, ())
    return decode_entry(encode_entry(reg, channel, standing(reg, channel, rules, at), cause, 1))


def test_the_gate_decides_from_the_lists_as_from_the_registers(sweep: Iterable[int]) -> None:
    for seed in list(sweep)[::3]:
        pick = picker(seed)
        tenants = [pick(["acme", "globex", "hooli"])]
        history = seeded(seed, pick(range(1, 12)), tenants)
        world, _ = run(POLICY, history)
        listed = {
            (key, channel): entry(world, reg, channel, instant(rfc3339(LATE)))
            for key, reg in world.registers.items()
            for channel in LISTS
        }
        for x in [asking(pick, tenants, history) for _ in range(15)]:
            found = subject(x)
            assert found is not None
            node = question(x["purpose"], found[0], x["scope"])
            on = "sharing" if node.channel == "*" else found[0]
            keys = {id(reg): key for key, reg in world.registers.items()}
            views = [
                View(
                    listed[keys[id(view.registers)], on].registers if id(view.registers) in keys else Registers(),
                    view.base,
                )
                for view in world.views(x)
            ]
            reasons = decide(node, instant(x["at"]), views, world.policy.tenant(x["tenant"]), found[0]).reasons
            assert list(reasons) == world.reasons(x), f"seed {seed}: {x}"


def would_send(found: Entry, scope: str, at: int) -> bool:
    """A mailer with nothing but a consumer of the list, as the wire format tells it to read it."""
    if found.status == "SUPPRESSED" or at < found.minor_until:
        return False
    if any(scope == blocked or scope.startswith(blocked + "/") for blocked in found.blocked_scopes):
        return False
    purpose, channel = ("sharing", "*") if found.channel == "sharing" else ("marketing", found.channel)
    x = question(purpose, channel, scope)
    return any(covers(grant.node, x) and grant.lo <= at < grant.valid_until for grant in found.registers.grants)


def test_a_mailer_that_reads_the_list_alone_never_passes_a_block(sweep: Iterable[int]) -> None:
    sent = 0
    for seed in list(sweep)[::4]:
        pick = picker(seed)
        history = seeded(seed, pick(range(1, 12)), ["acme"])
        world, _ = run(POLICY, history)
        now = max(instant(arrival["received"]) for arrival in history)
        for address in ({"email": "ana@example.com"}, {"phone": "+12015550123"}):
            channel = "email" if "email" in address else "sms"
            reg = world.registers.get(key_of("acme", channel, *address.values()))
            if reg is None:
                continue
            for later in (0, 1, 1_000_000, 3_600_000_000, 86_400_000_000, LATE, 30 * LATE):
                for purpose, on in (("marketing", channel), ("sharing", "sharing")):
                    for scope in ("news", "news/weekly", "*", "partners"):
                        if would_send(entry(world, reg, on, now), scope, now + later):
                            at: dict[str, Any] = {"tenant": "acme", "contact": None, "at": moment(now + later)}
                            reasons = world.reasons({**at, **address, "purpose": purpose, "scope": scope})
                            assert set(reasons) <= ABOUT_PERMISSION, f"seed {seed}: {reasons} {scope} {later}"
                            sent += 1
    assert sent > 0


def test_which_fact_came_last_is_no_matter_to_a_list(sweep: Iterable[int]) -> None:
    """Partitions are read at their own pace: a fact appended first may be folded last, and be a record's cause."""
    lists = 0
    for seed in sweep:
        pick = picker(seed)
        history = seeded(seed, pick(range(4, 16)), ["acme"])
        world, _ = run(POLICY, history)
        now = max(instant(arrival["received"]) for arrival in history)
        for reg in world.registers.values():
            if reg.births:  # a birthday between the two instants does change it
                continue
            for channel in LISTS:
                first, last = (standing(reg, channel, world.policy.tenant(reg.tenant), at) for at in (1, now))
                assert first[:3] == last[:3], f"seed {seed}: {channel}"
                lists += first.status != "CLEAR"
    assert lists > 0


def moment(at: int) -> str:
    return rfc3339(at - instant(rfc3339(0)))
