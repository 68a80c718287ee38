"""Answers remembered by the shape of a row: what is decided once need not be decided again for the next million.

Most rows are alike: one grant, perhaps a withdrawal, and only ids and instants of their own. A *shape* is a row without
these. What may be remembered of it, and why:
1. A shape has grants and restrictions, and no lift, void, birth or delivery; other rows are decided one by one.
2. With these alone the rules (RULES §10) look at instants in comparisons only: lo ≤ at, at < valid_until of each grant,
   and grant.lo > restriction.hi of each pair (which also is lo ≥ hi + 1, as `erased` and `reassigned` have it). So rows
   of one shape and one outcome of all comparisons have one answer, but for the ids that it names.
3. Ids matter to rules through voids alone, and there are none. An answer is remembered with the places of its ids.
4. Instants are compared as they stand. Eight bytes of a varint have seven bits each, the least first, under
   continuation bits that are the same in all: as little-endian numbers they are ordered as what they stand for. (None
   is before the epoch.)
5. A shape is known only once a row of it was read by the wire's own decoder. Its bytes hold every length and count, and
   what is left out (ids, instants, numbers) is checked in each row; what cannot be is decoded and decided as ever.
"""

from __future__ import annotations

from typing import NamedTuple

from consent_stream.domain.decide import Decision
from consent_stream.wire.avro import WireError, long, read_long, read_time
from consent_stream.wire.schemas import SUPPRESSION

MOST_ANSWERS = 65_536  # half a kilobyte each
MOST_PARTS = 8  # of a row whose answer is remembered: more are shared by few
# Continuation bits of eight bytes, and where they are; with the lowest, which is set in numbers below zero (zigzag).
_ENDS, _BITS = 0x0080808080808080, 0x8080808080808081
_NOTHING_MORE = bytes(5)  # no lift, void, birth or delivery
_from_bytes = int.from_bytes


class Glance(NamedTuple):
    """A row at a glance. shape: every byte but those of ids, instants and numbers, part by part.

    Units: instants as in 4. ids: of the grants, then of the restrictions. version: the number in the row.
    """

    shape: tuple[bytes, ...]
    lows: list[int]
    untils: list[int]
    highs: list[int]
    ids: list[str]
    version: int


def instant(at: int) -> int | None:
    """As instants stand in a row; None when it takes another number of bytes (before 1978, after 2541)."""
    raw = long(at) if -1 << 63 <= at < 1 << 63 else b""
    return _from_bytes(raw, "little") if len(raw) == 8 and at > 0 else None


def moment_of(raw: int) -> int:
    """Microseconds of an instant that stands in a row."""
    return read_time(raw.to_bytes(8, "little"), 0)[0]


def glance(b: bytes) -> Glance | None:
    """None for a row that has no shape. Never raises."""
    try:
        return _glance(b)
    except (IndexError, UnicodeDecodeError, WireError):
        return None


def _glance(b: bytes) -> Glance | None:
    if not b.startswith(SUPPRESSION):  # a row that is marked, or of a schema that nobody here knows
        return None
    odd = n = b[10]  # of all lengths: none is negative or of two bytes
    p = 11 + (n >> 1)
    n = b[p]
    odd |= n
    p += 1 + (n >> 1)
    n = b[p]
    odd |= n
    p += 1 + (n >> 1)
    for _ in _TWICE:  # the reasons and the blocked scopes
        n = b[p]
        p += 1
        if n:
            odd |= n
            for _ in range(n >> 1):
                n = b[p]
                odd |= n
                p += 1 + (n >> 1)
            if b[p]:
                return None
            p += 1
    grants = b[p]
    odd |= grants
    p += 1
    shape = [b[10:p]]
    lows, untils, highs, ids = [], [], [], []
    for _ in range(grants >> 1):
        raw = _from_bytes(b[p : p + 8], "little")
        if raw & _BITS != _ENDS:
            return None
        lows.append(raw)
        p += 8
        n = b[p]
        odd |= n
        start = p + 1
        p = start + (n >> 1)
        ids.append(b[start:p].decode())
        start = p
        n = b[p]
        odd |= n
        p += 1 + (n >> 1)
        raw = _from_bytes(b[p : p + 8], "little")
        if raw & _BITS != _ENDS:
            return None
        untils.append(raw)
        shape.append(b[start:p])
        p += 8
        start = p
        for known in _terms:
            if b.startswith(known, p):
                p += len(known)
                break
        else:
            p = _learn_terms(b, p)
        shape.append(b[start:p])
    if grants:
        if b[p]:
            return None
        p += 1
    n = b[p]
    p += 1
    if n:
        odd |= n
        for _ in range(n >> 1):
            start = p
            n = b[p]
            odd |= n
            p += 1 + (n >> 1)
            n = b[p]
            odd |= n
            p += 2 + (n >> 1)
            shape.append(b[start:p])
            raw = _from_bytes(b[p : p + 8], "little")
            if raw & _BITS != _ENDS:
                return None
            highs.append(raw)
            p += 8
            n = b[p]
            odd |= n
            start = p + 1
            p = start + (n >> 1)
            ids.append(b[start:p].decode())
            start = p
            n = b[p]
            odd |= n
            p += 1 + (n >> 1)
            n = b[p]
            odd |= n
            p += 1 + (n >> 1)
            shape.append(b[start:p])
        if b[p]:
            return None
        p += 1
    end = p + 7  # of what is rare and absent, the mask of channels, and `minor_until`
    rest = b[p:end]
    if odd & 0x81 or rest[:5] != _NOTHING_MORE or rest[6]:
        return None
    shape.append(rest)
    p = end
    if b[p]:
        _, p = read_long(b, p)  # the generation
    else:
        p += 1
    version, p = read_long(b, p)
    n = b[p]
    start = p + 1
    p = start + (n >> 1)
    b[start:p].decode()  # the cause: its id, partition and offset
    if b[p] < 0x80:
        p += 1
    else:
        _, p = read_long(b, p)
    _, p = read_long(b, p)
    if p != len(b) or n & 0x81 or version < 0:
        return None
    return tuple.__new__(Glance, (tuple(shape), lows, untils, highs, ids, version))


_TWICE = (0, 1)
NO_ROW = Glance((), [], [], [], [], 0)
_terms: list[bytes] = []  # what grants lately had in common, found by its bytes: no one of them begins another
_MOST_TERMS = 8


def _learn_terms(b: bytes, p: int) -> int:
    """The end of the terms of a grant; see `wire.parts`. Errors: IndexError, WireError."""
    start = p
    for _ in range(2):  # node; then the level, which is a number of one byte
        n = b[p]
        if n & 0x81:
            raise WireError("bad_avro", "a length of two bytes")
        p += 1 + (n >> 1 if p == start else 0)
    count = b[p]
    p += 1
    if count:
        for _ in range(count >> 1):
            p = _text(b, p)
        if count & 0x81 or b[p]:
            raise WireError("bad_avro", "several blocks")
        p += 1
    for _ in range(5):
        p = _text(b, p)
    _terms.insert(0, b[start:p])
    del _terms[_MOST_TERMS:]
    return p


def _text(b: bytes, p: int) -> int:
    n = b[p]
    if n & 0x81:
        raise WireError("bad_avro", "a length of two bytes")
    return p + 1 + (n >> 1)


class Shapes:
    """Answers by shape, question and outcome of the comparisons, for one policy: make another when that changes.

    at: `instant` of the question. about: all of the question that is neither row nor instant.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[int, tuple[str, ...], tuple[bytes, ...]], Answer] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def find(self, seen: Glance, at: int, about: tuple[str, ...]) -> Decision | None:
        """The decision on a row; None when none was remembered on a row like it."""
        known = self._answers.get((_outcome(seen, at), about, seen.shape))
        if known is None:
            return None
        reasons, places = known
        ids = seen.ids
        if len(places) == 1:
            return _decision(Decision, (reasons, (ids[places[0]],)))
        return _decision(Decision, (reasons, tuple(dict.fromkeys([ids[place] for place in places]))))

    def remember(self, seen: Glance, at: int, about: tuple[str, ...], decision: Decision) -> None:
        """What the rules decided on a row that was read and found sound."""
        ids = seen.ids
        if len(set(ids)) != len(ids) or len(ids) > MOST_PARTS:
            return  # which of them is meant cannot be told
        if len(self._answers) >= MOST_ANSWERS:
            self._answers.clear()
        places = tuple(ids.index(fact) for fact in decision.facts)
        self._answers[_outcome(seen, at), about, seen.shape] = (decision.reasons, places)


Answer = tuple[tuple[str, ...], tuple[int, ...]]  # reasons, and places of the facts in `Glance.ids`
_decision = tuple.__new__


def _outcome(seen: Glance, at: int) -> int:
    """All comparisons of 2, as bits."""
    outcome = 1
    for low, until in zip(seen.lows, seen.untils, strict=False):
        outcome = outcome << 2 | (low <= at) << 1 | (at < until)
        for high in seen.highs:
            outcome = outcome << 1 | (low > high)
    return outcome
