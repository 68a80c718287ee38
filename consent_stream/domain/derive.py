"""Facts that travel over links: from a contact to its addresses, from a lone address to its contacts (RULES §6).

Two hops at most: what arrives by derivation is not `open`, and only a contact passes on what is not open. Hence it
ends, whatever cycles contacts and addresses form.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from consent_stream.domain.facts import CHANNEL_MASK, CONTACT, KINDS, SMS, Birth, Fact, Link, Part, Restriction, Void
from consent_stream.domain.nodes import ANY
from consent_stream.domain.registers import Registers


def derive(reg: Registers, changed: Iterable[Part], cause: Fact) -> list[Fact]:
    """The facts that follow for linked keys from what `cause` changed in `reg` (already joined in).

    New parts go to every link; a new link gets every part that travels. Order: by target key.
    """
    if not reg.links or not (reg.restrictions or reg.voids or reg.births):  # nobody to tell, or nothing
        return []
    travelling = [part for part in changed if isinstance(part, Restriction | Void | Birth)]
    new_links = [part for part in changed if isinstance(part, Link) and part.key in reg.links]
    targets: dict[bytes, list[Part]] = {}
    for link in new_links:
        whole = list(_passing(reg, _everything(reg), reg.links[link.key]))
        if whole:
            targets[link.key] = whole
    if travelling:
        by_channels: dict[int, list[Part]] = {}
        for key, channels in reg.links.items():
            if key in targets:
                continue
            if channels not in by_channels:
                by_channels[channels] = list(_passing(reg, travelling, channels))
            if by_channels[channels]:
                targets[key] = by_channels[channels]
    return [
        cause._replace(key=key, channels=reg.links[key], derived=True, parts=tuple(parts))
        for key, parts in sorted(targets.items())
    ]


def _everything(reg: Registers) -> list[Part]:
    return [*sorted(reg.restrictions.values()), *sorted(reg.voids.values()), *sorted(reg.births.values())]


def _passing(reg: Registers, parts: Iterable[Part], channels: int) -> Iterator[Part]:
    """Those parts that pass over a link to a key of `channels`, as they arrive there."""
    from_contact = reg.channels & CONTACT
    for part in parts:
        if not isinstance(part, Restriction | Void | Birth):
            continue
        if not (from_contact or part.open):
            continue
        if from_contact and isinstance(part, Restriction) and not _concerns(part, channels):
            continue
        yield part._replace(open=False)


def _concerns(restriction: Restriction, channels: int) -> bool:
    kind = KINDS[restriction.kind]
    if kind.person:
        return True
    if kind.sms_only:
        return bool(channels & SMS)
    channel = restriction.node.channel
    return channel == ANY or bool(channels & CHANNEL_MASK[channel])
