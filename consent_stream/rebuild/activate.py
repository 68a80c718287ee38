"""May the gates obey another generation? Not if a person who said no would be mailed and nobody looked at it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from consent_stream.domain.policy import Policy
from consent_stream.domain.registers import Registers
from consent_stream.rebuild.compare import Compared
from consent_stream.rebuild.loosened import loosened, loosened_tenants
from consent_stream.wire.avro import WireError
from consent_stream.wire.state import decode_registers
from consent_stream.wire.topics import STATE, Topic

TENANT = "tenant "  # how a line of the file begins that approves of a tenant's freer policy


class Needed(NamedTuple):
    """What must be approved of, by name: subject keys in hex and tenants, as lines of the file."""

    lines: frozenset[str]

    def lacking(self, approved: Iterable[str]) -> list[str]:
        """What the file does not approve of, in order."""
        return sorted(self.lines - set(approved))


def needed(compared: Mapping[Topic, Compared], before: Policy, after: Policy) -> Needed:
    """Keys of the lists that may be answered more freely, and tenants whose policy decides so.

    A record that cannot be read counts as one that does. Laws: equal lists and policies need nothing.
    """
    lines = {TENANT + tenant for tenant in loosened_tenants(before, after)}
    for topic, each in compared.items():
        if topic is not STATE:  # gates obey the lists
            lines |= {key.hex() for key, contents in each.differing.items() if _is_freer(*contents)}
    return Needed(frozenset(lines))


def _is_freer(before: bytes | None, after: bytes | None) -> bool:
    try:
        return loosened(_registers(before), _registers(after))
    except WireError:
        return True


def _registers(content: bytes | None) -> Registers:
    return Registers() if content is None else decode_registers(content)


def read_approval(path: Path) -> list[str]:
    """The lines of a file, without comments (#) and blanks. Errors: OSError; UnicodeDecodeError."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]
