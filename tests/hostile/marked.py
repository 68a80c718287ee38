"""Marked people: unique words in addresses, numbers, ids and free text, and every form in which they could turn up."""

from __future__ import annotations

import base64
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

EMAIL = "qz7marked.Lühr+vip9@wkx8marked.example.com"
PUNYCODE = "pq4marked@bücher-vx3marked.example.org"
PHONE = "+12015550187"
CONTACT = "cj5marked-4711"
WORDS = "hy2marked please never again"
REASON = "reason-tb6marked"
TEXT = "STOP nf8marked"
# What must be nowhere: the marks alone, so that a part of an address is found too.
MARKS = ["qz7marked", "lühr+vip9", "wkx8marked", "pq4marked", "vx3marked", "2015550187", "cj5marked", "hy2marked",
         "nf8marked"]  # fmt: skip


def forms(mark: str) -> set[bytes]:
    """The mark in every encoding in which a library, a log or a store may write it; in lower case."""
    texts = {mark, mark.upper(), mark[::-1], quote(mark), repr(mark)[1:-1], ascii(mark)[1:-1]}
    found = {each.encode().lower() for each in texts}
    found |= {mark.encode("utf-16-le"), mark.encode("utf-16-be"), mark.encode().hex().encode()}
    found.add("".join(f"={byte:02x}" if byte > 126 else chr(byte) for byte in mark.encode()).encode())
    for start in range(3):  # base64 has three ways, by where the mark begins; what its neighbours change is cut off
        raw = base64.b64encode(b"\0" * start + mark.encode())
        found.add(raw[-(-start * 8 // 6) : -4].lower())
    return {each for each in found if len(each) > 5}


FORMS = re.compile(b"|".join(re.escape(form) for mark in MARKS for form in sorted(forms(mark))))


def found_in(raw: bytes) -> list[str]:
    """The marks in `raw`, as they stand there; packed parts of it are looked into as well."""
    hits = [match.decode("latin-1") for match in FORMS.findall(raw.lower())]
    for at in (each.start() for each in re.finditer(b"\x1f\x8b\x08|\x78[\x01\x9c\xda]", raw)):
        try:
            inner = zlib.decompressobj(47).decompress(raw[at:], 64 << 20)
        except zlib.error:
            continue
        hits += [match.decode("latin-1") for match in FORMS.findall(inner.lower())]
    return hits


def leaks(places: Mapping[str, bytes] | Iterable[tuple[str, bytes]]) -> dict[str, list[str]]:
    """Where marks are, and which."""
    pairs = places.items() if isinstance(places, Mapping) else places
    return {where: hits for where, raw in pairs if (hits := sorted(set(found_in(raw))))}


def files(folder: Path, exempt: Iterable[str] = ()) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder but those whose names the user gave for what they asked for."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in set(exempt):
            yield str(path.relative_to(folder)), path.read_bytes()


def packed(text: str) -> bytes:
    return gzip.compress(text.encode())
