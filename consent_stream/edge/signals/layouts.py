"""How the US sections of a GPP string lie in their bits. A table, and no code that decides anything.

Source: IAB Tech Lab, Global Privacy Platform, `Sections/Section Information.md` and the technical specification of each
section (Sections/US-National, Sections/US-States), as of 2026.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Field(NamedTuple):
    """bits: of one value. values: how many; more than one is read as a list."""

    name: str
    bits: int
    values: int = 1


class Layout(NamedTuple):
    """name: the section's client-side API prefix. versions: the core's fields by its version (the first six bits).
    gpc: whether a sub-section may say Global Privacy Control."""

    name: str
    versions: Mapping[int, tuple[Field, ...]]
    gpc: bool = True


_MSPA = ("MspaCoveredTransaction", "MspaOptOutOptionMode", "MspaServiceProviderMode")
_OPT_OUTS = ("SaleOptOut", "TargetedAdvertisingOptOut")
_NOTICES = ("SaleOptOutNotice", "TargetedAdvertisingOptOutNotice")
_MORE = ("AdditionalDataProcessingConsent",)


def _core(before: tuple[str, ...], sensitive: int, child: int, after: tuple[str, ...]) -> tuple[Field, ...]:
    """Six bits of version, then two bits each: `before`, the two lists, `after`."""
    return (
        Field("Version", 6),
        *(Field(name, 2) for name in before),
        Field("SensitiveDataProcessing", 2, sensitive),
        Field("KnownChildSensitiveDataConsents", 2, child),
        *(Field(name, 2) for name in after),
    )


def _state(
    name: str, sensitive: int, child: int, notice: str = "ProcessingNotice", *, more: bool = True, gpc: bool = True
) -> Layout:
    """What most states have."""
    after = (*(_MORE if more else ()), *_MSPA)
    return Layout(name, {1: _core((notice, *_NOTICES, *_OPT_OUTS), sensitive, child, after)}, gpc)


def _later_state(name: str, *, child: bool, gpc: bool) -> Layout:
    """What the states of 2025 have: MSPA first, sensitive data in a sub-section that is not read here."""
    last = ("KnownChildSensitiveDataConsents", *_MORE) if child else _MORE
    names = ("MspaCoveredTransaction", "MspaMode", "ProcessingNotice", *_NOTICES, *_OPT_OUTS, *last)
    return Layout(name, {1: (Field("MspaVersion", 6), *(Field(each, 2) for each in names))}, gpc)


_NATIONAL = (
    "SharingNotice",
    "SaleOptOutNotice",
    "SharingOptOutNotice",
    "TargetedAdvertisingOptOutNotice",
    "SensitiveDataProcessingOptOutNotice",
    "SensitiveDataLimitUseNotice",
    "SaleOptOut",
    "SharingOptOut",
    "TargetedAdvertisingOptOut",
)
_CALIFORNIA = (
    "SaleOptOutNotice",
    "SharingOptOutNotice",
    "SensitiveDataLimitUseNotice",
    "SaleOptOut",
    "SharingOptOut",
)
_PERSONAL = ("PersonalDataConsents", *_MSPA)
_UTAH = ("SharingNotice", *_NOTICES, "SensitiveDataProcessingOptOutNotice", *_OPT_OUTS)
_IOWA = ("ProcessingNotice", *_NOTICES, "SensitiveDataOptOutNotice", *_OPT_OUTS)

USP = 6  # the US Privacy String of before, not in bits
LAYOUTS: Mapping[int, Layout] = {
    7: Layout("usnat", {1: _core(_NATIONAL, 12, 2, _PERSONAL), 2: _core(_NATIONAL, 16, 3, _PERSONAL)}),
    8: Layout("usca", {1: _core(_CALIFORNIA, 9, 2, _PERSONAL)}),
    9: _state("usva", 8, 1, "SharingNotice", more=False, gpc=False),
    10: _state("usco", 7, 1, "SharingNotice", more=False),
    11: Layout("usut", {1: _core(_UTAH, 8, 1, _MSPA)}, gpc=False),
    12: _state("usct", 8, 3, "SharingNotice", more=False),
    13: _state("usfl", 8, 3, gpc=False),
    14: _state("usmt", 8, 3, "SharingNotice"),
    15: _state("usor", 11, 3),
    16: _state("ustx", 8, 1),
    17: _state("usde", 9, 5),
    18: Layout("usia", {1: _core(_IOWA, 8, 1, _MSPA)}),
    19: _state("usne", 8, 1),
    20: _state("usnh", 8, 3),
    21: _state("usnj", 10, 5),
    22: _state("ustn", 8, 1),
    23: _state("usmn", 8, 1),
    24: _later_state("usmd", child=False, gpc=True),
    25: _later_state("usin", child=True, gpc=False),
    26: _later_state("usky", child=True, gpc=False),
    27: _later_state("usri", child=True, gpc=False),
}
