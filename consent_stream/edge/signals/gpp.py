"""A GPP string read: header, section ids, and the fields of its US sections (IAB Tech Lab, GPP Consent String
Specification 1.0). Pure, and it judges nothing: which field is an opt-out, the domain says.

A restriction is cheap: what can be read is told even where the rest cannot, and what cannot is named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from consent_stream.edge.signals.layouts import LAYOUTS, USP, Field, Layout

LONGEST = 8192  # characters; one with every section there is has under 600
HEADER_TYPE, HEADER_VERSION = 3, 1
_DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_VALUES = {digit: f"{value:06b}" for value, digit in enumerate(_DIGITS)}
# The specification's table ends as RFC 4648 §4 does, its encoders write as §5 does: both are read.
_VALUES |= {"+": "111110", "-": "111110", "/": "111111", "_": "111111"}
_FIBONACCI = [1, 2]
while len(_FIBONACCI) < 20:  # up to 10,946: nothing near has an id
    _FIBONACCI.append(_FIBONACCI[-1] + _FIBONACCI[-2])
_GPC_TYPE = 1  # of a sub-section
_USP_ANSWERS = {"Y": 1, "N": 2, "-": 0}  # as the sections in bits say it: 1 opted out, 2 did not

Value = int | bool | list[int]


class Decoded(NamedTuple):
    """sections: {name: {field: value}}, values as in the specification (1 yes, 2 no, 0 not applicable; `Gpc` a truth
    value). unread: sections that are well formed as far as is known and of no kind, or no version, that is read here.
    faults: what is malformed, one sentence each, without anything of the string itself.
    """

    sections: dict[str, dict[str, Value]]
    unread: tuple[str, ...]
    faults: tuple[str, ...]


class _Malformed(ValueError):
    """The text says where and what, and shows nothing of the string."""


def decode(text: str) -> Decoded:
    """Whatever can be read of a GPP string. Never raises."""
    if len(text) > LONGEST:
        return Decoded({}, (), (f"header: the string is longer than {LONGEST} characters",))
    header, *parts = text.strip().split("~")
    try:
        ids = _section_ids(_bits(header, "header"), len(parts))
    except _Malformed as error:
        return Decoded({}, (), (str(error),))
    sections: dict[str, dict[str, Value]] = {}
    unread: list[str] = []
    faults: list[str] = []
    if len(ids) != len(parts):
        faults.append(f"header: names {len(ids)} sections where {len(parts)} follow")
    for ident, part in zip(ids, parts, strict=False):
        name = _name(ident)
        fields = sections.setdefault(name, {})
        try:
            for field, value in _fields(ident, part):
                fields[field] = value
        except _Unknown:
            unread.append(name)
        except _Malformed as error:
            faults.append(str(error))
    return Decoded({name: found for name, found in sections.items() if found}, tuple(unread), tuple(faults))


class _Unknown(Exception):
    """Of a kind, or a version, that is not read here."""


def _name(ident: int) -> str:
    if ident == USP:
        return "uspv1"
    return LAYOUTS[ident].name if ident in LAYOUTS else f"section {ident}"


def _fields(ident: int, part: str) -> Iterator[tuple[str, Value]]:
    """One by one, so that those before a fault are had."""
    if ident == USP:
        yield from _usp(part)
        return
    layout = LAYOUTS.get(ident)
    if layout is None:
        raise _Unknown
    core, *subsections = part.split(".")
    trouble: Exception | None = None
    try:
        yield from _core(layout, core)
    except (_Malformed, _Unknown) as error:  # Global Privacy Control beside it still counts
        trouble = error
    for number, text in enumerate(subsections if layout.gpc else (), 1):
        bits = _bits(text, f"{layout.name}, sub-section {number}")
        if len(bits) < 3:
            raise _Malformed(f"{layout.name}, sub-section {number}: cut short")
        if int(bits[:2], 2) == _GPC_TYPE:
            yield "Gpc", bits[2] == "1"
    if trouble is not None:
        raise trouble


def _core(layout: Layout, text: str) -> Iterator[tuple[str, Value]]:
    bits = _bits(text, layout.name)
    if len(bits) < 6:
        raise _Malformed(f"{layout.name}: empty")
    fields = layout.versions.get(int(bits[:6], 2))
    if fields is None:
        raise _Unknown
    at = 0
    for field in fields:
        value, at = _value(field, bits, at, layout.name)
        yield field.name, value


def _value(field: Field, bits: str, at: int, name: str) -> tuple[Value, int]:
    end = at + field.bits * field.values
    if end > len(bits):
        raise _Malformed(f"{name}.{field.name}: the section ends before it")
    found = [int(bits[start : start + field.bits], 2) for start in range(at, end, field.bits)]
    return (found if field.values > 1 else found[0]), end


def _usp(text: str) -> Iterator[tuple[str, Value]]:
    """The US Privacy String 1.0, such as `1YNN`: version, notice, opt-out of sale, LSPA."""
    if len(text) != 4 or any(each not in _USP_ANSWERS for each in text[1:].upper()):
        raise _Malformed("uspv1: four characters are expected, the last three of Y, N and -")
    if text[0] != "1":
        raise _Unknown
    yield "Version", 1
    for name, said in zip(("Notice", "SaleOptOut", "LspaCovered"), text[1:].upper(), strict=True):
        yield name, _USP_ANSWERS[said]


def _bits(text: str, where: str) -> str:
    try:
        return "".join([_VALUES[each] for each in text])
    except KeyError:
        raise _Malformed(f"{where}: not base64url") from None


def _section_ids(bits: str, most: int) -> list[int]:
    """The ids in the order of their sections: Range(Fibonacci) of the specification."""
    if len(bits) < 24:
        raise _Malformed("header: cut short")
    if int(bits[:6], 2) != HEADER_TYPE:
        raise _Malformed("header: no GPP header")
    if int(bits[6:12], 2) != HEADER_VERSION:
        raise _Malformed("header: of another version than 1")
    ids: list[int] = []
    at, last = 24, 0
    for _ in range(int(bits[12:24], 2)):
        ranged = bits[at : at + 1] == "1"
        offset, at = _fibonacci(bits, at + 1)
        start = end = last + offset
        if ranged:
            offset, at = _fibonacci(bits, at)
            end = start + offset
        if len(ids) + 1 + end - start > max(most, 1) + len(LAYOUTS):  # far more than there are: no list of anything
            raise _Malformed("header: names more sections than follow")
        ids += range(start, end + 1)
        last = end
    return ids


def _fibonacci(bits: str, at: int) -> tuple[int, int]:
    """A number and where the next begins: sums of Fibonacci numbers, ended by two ones."""
    total = 0
    for place, number in enumerate(_FIBONACCI):
        bit = bits[at + place : at + place + 1]
        if bit == "1":
            total += number
            if bits[at + place + 1 : at + place + 2] == "1":
                return total, at + place + 2
        elif not bit:
            break
    raise _Malformed("header: a section id is cut short")
