"""The root key file: TOML, mode 0600, up to 256 keys of 32 bytes, one of them current.

    current = 0

    [keys]
    0 = "q1RZ…"        # base64, or 64 hex digits

New subject keys are made with the current one; records made with an older one stay readable while it is listed. Losing
a root key makes every address under it unknown, so a file is never overwritten; a rotation replaces it by one with all
its keys and a new one.

A mailer of one tenant needs no root key. A file of derived keys has those of single tenants, by key id, and what tells
the root keys they came from (`fingerprints`) and nothing about them:

    current = 0

    [derived.acme]
    0 = "q1RZ…"

    [fingerprints]
    0 = "00c0ffee00c0ffee"
"""

import base64
import binascii
import json
import os
import re
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consent_stream.disk import sync_directory
from consent_stream.wire.keys import Keyring

KEY_BYTES = 32
FINGERPRINT = re.compile(r"[0-9a-f]{16}")
LARGEST_KID = 255  # one byte of the subject key (wire, subject keys)
FORBIDDEN_MODE = stat.S_IWGRP | stat.S_IRWXO  # a group may read: that is how secrets are mounted into containers

DEVELOPMENT_WARNING = (
    "DEVELOPMENT KEYS: {path} was made for trying things out. Whoever has it can tell who is on your lists. "
    "For real people make one with `consent-stream keys new FILE` and keep it safe."
)
HEADER = """\
# Root keys of consent-stream. Keep this file secret, backed up, and readable by the worker and the gates alone.
# Without it nobody, you included, can tell which address a suppression stands for.
"""
DERIVED_HEADER = """\
# Keys of consent-stream for single tenants. Keep this file secret: whoever has it can tell who is on their lists.
# It can be made again from the root keys (consent-stream keys derive).
"""


class KeyFileError(ValueError):
    """A root key file cannot be used; the text is one line that names it and never shows key material."""


@dataclass(frozen=True)
class RootKeys:
    """Root keys by key id (kid, 0-255), each 32 bytes; or, without any, keys of single tenants. `repr` shows ids alone.

    development: made by a development command, never meant for real people. derived: (tenant, kid) → 32 bytes.
    fingerprints: of the root keys that `derived` came from, by kid.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    current: int
    development: bool = False
    derived: Mapping[tuple[str, int], bytes] = field(default_factory=dict, repr=False)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def kids(self) -> tuple[int, ...]:
        """The key ids that are live, ascending."""
        return tuple(sorted({*self.keys, *(kid for _, kid in self.derived)}))

    @property
    def tenants(self) -> tuple[str, ...]:
        """The tenants of `derived`, in order."""
        return tuple(sorted({tenant for tenant, _ in self.derived}))

    def keyring(self) -> Keyring:
        """Subject keys by these."""
        return Keyring(self.keys, self.current, self.derived, self.fingerprints)


def load_keyring(path: Path) -> Keyring:
    """Subject keys by the keys in a file. Errors: KeyFileError."""
    return load_keys(path).keyring()


def load_keys(path: Path) -> RootKeys:
    """The keys in a file.

    Errors: KeyFileError when the file is missing, readable or writable by others, or not of the form above.
    """
    try:
        # The mode is asked of the open file, so that it cannot be exchanged in between.
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & FORBIDDEN_MODE:
                raise KeyFileError(f"{path}: others may use it (mode {mode:04o}): chmod 600 {path}")
            content = tomllib.load(file)
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError):  # the last: nested too deep
        # Not chained: the parser's text can quote the line, and the line can be a key.
        raise KeyFileError(f"{path}: not TOML") from None
    return _root_keys(path, content)


def new_keys(path: Path, *, development: bool = False) -> RootKeys:
    """Make a file with one fresh key, kid 0, mode 0600, and return what is in it.

    Errors: FileExistsError when anything stands at `path`: a key file is never overwritten.
    """
    key = secrets.token_bytes(KEY_BYTES)
    made = RootKeys({0: key}, 0, development)
    write_new(path, text_of(made))
    return made


def rotate_keys(path: Path) -> RootKeys:
    """Replace the file by one with all its keys and a fresh one, the new current; returns what is in it.

    The file keeps its mode. What was written is read back before the old file goes; comments are not kept.
    Errors: KeyFileError as `load_keys`, for a file of derived keys, when all 256 ids are taken, or when another
    rotation is under way; OSError.
    """
    path = path.resolve()  # a link stays one
    before = load_keys(path)
    if before.derived:
        raise KeyFileError(f"{path}: keys of single tenants are not rotated: rotate the root key file, derive again")
    free = sorted(set(range(LARGEST_KID + 1)) - set(before.keys))
    if not free:
        raise KeyFileError(f"{path}: all {LARGEST_KID + 1} key ids are taken")
    # Ids of keys that were taken out stay unused where possible: rows of theirs may still stand.
    kid = next((each for each in free if each > max(before.keys)), free[0])
    after = RootKeys({**before.keys, kid: secrets.token_bytes(KEY_BYTES)}, kid, before.development)
    beside = path.with_name(path.name + ".rotating")
    try:
        write_new(beside, text_of(after))
    except FileExistsError as error:
        raise KeyFileError(f"{beside} exists: a rotation is under way, or was cut off; then remove it") from error
    try:
        os.chmod(beside, stat.S_IMODE(path.stat().st_mode))
        if load_keys(beside) != after:
            raise KeyFileError(f"{beside}: what was written does not read back; {path} is as it was")
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)
    return after


def write_new(path: Path, text: str) -> None:
    """A file with secrets, made with mode 0600 and on the disk when this returns. Errors: OSError; FileExistsError."""
    # Mode at creation, and O_EXCL: no moment in which another user could read it, no other file replaced.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def text_of(keys: RootKeys) -> str:
    """The file of these keys, as `load_keys` reads it."""
    lines = [DERIVED_HEADER if keys.derived else HEADER]
    if keys.development:
        lines.append("development = true\n")
    lines.append(f"current = {keys.current}\n")
    if keys.keys:
        lines += ["\n[keys]\n", *(_line(kid, key) for kid, key in sorted(keys.keys.items()))]
    for tenant in keys.tenants:
        lines.append(f"\n[derived.{json.dumps(tenant, ensure_ascii=False)}]\n")
        lines += [_line(kid, key) for (of, kid), key in sorted(keys.derived.items()) if of == tenant]
    if keys.fingerprints:
        lines += ["\n[fingerprints]\n", *(f'{kid} = "{told}"\n' for kid, told in sorted(keys.fingerprints.items()))]
    return "".join(lines)


def _line(kid: int, key: bytes) -> str:
    return f'{kid} = "{base64.b64encode(key).decode()}"\n'


def development_keys(path: Path) -> RootKeys:
    """The keys in `path`, made there when missing. For the demo and `dev` commands only; print DEVELOPMENT_WARNING.

    Errors: KeyFileError as `load_keys`.
    """
    try:
        return new_keys(path, development=True)
    except FileExistsError:
        return load_keys(path)


def _root_keys(path: Path, content: Mapping[str, Any]) -> RootKeys:
    if "derived" in content:
        return _derived_keys(path, content)
    keys = _table(path, "keys", content.get("keys"))
    return RootKeys(keys, _current(path, content, keys), content.get("development") is True)


def _derived_keys(path: Path, content: Mapping[str, Any]) -> RootKeys:
    tenants = content["derived"]
    if "keys" in content:
        raise KeyFileError(f"{path}: [keys] and [derived] in one file: who has a root key needs no derived one")
    if not isinstance(tenants, dict) or not tenants:
        raise KeyFileError(f"{path}: no tenant in [derived]")
    tables = {tenant: _table(path, f"derived.{tenant}", table) for tenant, table in tenants.items()}
    kids = next(iter(tables.values()))
    # A gate knows by key id alone whether it lacks one that is in use.
    if any(table.keys() != kids.keys() for table in tables.values()):
        raise KeyFileError(f"{path}: the tenants' key ids differ: derive them again, together")
    prints = content.get("fingerprints")
    if not isinstance(prints, dict) or {_kid(path, kid) for kid in prints} != set(kids):
        raise KeyFileError(f"{path}: [fingerprints] must name the key ids {sorted(kids)}: derive the keys again")
    if not all(isinstance(told, str) and FINGERPRINT.fullmatch(told) for told in prints.values()):
        raise KeyFileError(f"{path}: a fingerprint is 16 hex digits")
    derived = {(tenant, kid): key for tenant, table in tables.items() for kid, key in table.items()}
    development = content.get("development") is True
    told = {str(_kid(path, kid)): text for kid, text in prints.items()}
    return RootKeys({}, _current(path, content, kids), development, derived, told)


def _table(path: Path, name: str, table: object) -> dict[int, bytes]:
    if not isinstance(table, dict) or not table:
        raise KeyFileError(f"{path}: no [{name}]")
    keys = {_kid(path, kid): _material(path, kid, value) for kid, value in table.items()}
    if len(keys) != len(table):
        raise KeyFileError(f"{path}: two keys with the same id")
    return keys


def _current(path: Path, content: Mapping[str, Any], keys: Mapping[int, bytes]) -> int:
    current = content.get("current")
    # type(): True is an int to isinstance
    if type(current) is not int or current not in keys:
        raise KeyFileError(f"{path}: current must be one of the key ids {sorted(keys)}")
    return current


def _kid(path: Path, name: str) -> int:
    if not (name.isascii() and name.isdigit() and int(name) <= LARGEST_KID):
        raise KeyFileError(f"{path}: key id {name[:20]!r} is not a number from 0 to {LARGEST_KID}")
    return int(name)


def _material(path: Path, name: str, value: object) -> bytes:
    key = b""
    if isinstance(value, str):
        try:
            key = bytes.fromhex(value) if len(value) == 2 * KEY_BYTES else base64.b64decode(value, validate=True)
        except (ValueError, binascii.Error):
            key = b""  # refused below, without the text, which is secret
    if len(key) != KEY_BYTES:
        raise KeyFileError(f"{path}: key {name} is not {KEY_BYTES} bytes in base64 or hex")
    return key
