"""What the records must say about domain objects: plain values in the words of the schemas, apart from our codec."""

from typing import Any

from consent_stream.domain.facts import Birth, Fact, Grant, Part
from consent_stream.domain.nodes import Node
from consent_stream.domain.registers import Registers
from consent_stream.domain.standing import Standing, on_list

EPOCH = 719_163  # the ordinal of 1970-01-01


def part(each: Part) -> dict[str, Any]:
    told = each._asdict()
    for name, value in told.items():
        if isinstance(value, Node):
            told[name] = ":".join(value)
    if isinstance(each, Grant):
        told["names"] = [":".join(name) for name in each.names]
    if isinstance(each, Birth):
        told["date"] = each.date - EPOCH
    return told


def fact(each: Fact) -> dict[str, Any]:
    told = each._asdict()
    del told["key"]  # it is the record's key
    return told | {"parts": [part(one) for one in each.parts]}


def registers(reg: Registers) -> dict[str, Any]:
    return {
        "tenant": reg.tenant,
        "channels": reg.channels,
        "restrictions": [part(each) for each in sorted(reg.restrictions.values(), key=lambda r: r[:3])],
        "grants": [part(each) for each in sorted(reg.grants)],
        "lifts": [part(each) for slot in sorted(reg.lifts) for each in reg.lifts[slot]],
        "voids": [part(each) for each in sorted(reg.voids.values(), key=lambda v: v[:2])],
        "births": [part(each) for each in sorted(reg.births.values(), key=lambda b: b[:2])],
        "bounced": reg.bounced and part(reg.bounced),
        "delivered": reg.delivered and part(reg.delivered),
        "requested": [part(each) for each in sorted(reg.requested.values(), key=lambda r: r[:2])],
        "links": b"".join(bytes([mask]) + key for key, mask in sorted(reg.links.items())),
    }


def entry(reg: Registers, channel: str, now: Standing, cause: Fact, version: int, generation: int, minor: int) -> Any:
    state = registers(reg)

    def here(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row for row in rows if on_list(Node(*row["node"].split(":", 2)), channel)]

    mailed = channel != "sharing"
    return {
        "tenant": reg.tenant,
        "channel": channel,
        "status": now.status,
        "reasons": list(now.reasons),
        "blocked_scopes": list(now.blocked_scopes),
        "grants": here(state["grants"]),
        "restrictions": here(state["restrictions"]),
        "lifts": here(state["lifts"]),
        "voids": state["voids"],
        "births": state["births"],
        "bounced": state["bounced"] if mailed else None,
        "delivered": state["delivered"] if mailed and reg.bounced else None,
        "channels": reg.channels,
        "minor_until": minor,
        "generation": generation,
        "version": version,
        "cause": {"id": cause.id, "partition": cause.partition, "offset": cause.offset},
    }


def change(channel: str, before: Standing, after: Standing, cause: Fact, version: int) -> Any:
    told = fact(cause)
    same = ("tenant", "received", "id", "source", "type", "partition", "offset", "derived")
    return {name: told[name] for name in same} | {
        "channel": channel,
        "version": version,
        "before": _standing(before),
        "after": _standing(after),
    }


def _standing(each: Standing) -> dict[str, Any]:
    return each._asdict() | {"reasons": list(each.reasons), "blocked_scopes": list(each.blocked_scopes)}
