"""The root key file: TOML, mode 0600, up to 256 keys of 32 bytes, one of them current.

    current = 0

    [keys]
    0 = "q1RZ…"        # base64, or 64 hex digits

New subject keys are made with the current one; records made with an older one stay readable while it is listed. Losing
a root key makes every address under it unknown, so a file is never overwritten.
"""

import base64
import binascii
import os
import secrets
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

KEY_BYTES = 32
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


class KeyFileError(ValueError):
    """A root key file cannot be used; the text is one line that names it and never shows key material."""


@dataclass(frozen=True)
class RootKeys:
    """Root keys by key id (kid, 0-255), each 32 bytes. `repr` shows ids alone.

    development: made by a development command, never meant for real people.
    """

    keys: Mapping[int, bytes] = field(repr=False)
    current: int
    development: bool = False

    @property
    def kids(self) -> tuple[int, ...]:
        """The key ids that are live, ascending."""
        return tuple(sorted(self.keys))


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # Not chained: the parser's text can quote the line, and the line can be a key.
        raise KeyFileError(f"{path}: not TOML") from None
    return _root_keys(path, content)


def new_keys(path: Path, *, development: bool = False) -> RootKeys:
    """Make a file with one fresh key, kid 0, mode 0600, and return what is in it.

    Errors: FileExistsError when anything stands at `path`: a key file is never overwritten.
    """
    key = secrets.token_bytes(KEY_BYTES)
    text = HEADER + ("development = true\n" if development else "")
    text += f'current = 0\n\n[keys]\n0 = "{base64.b64encode(key).decode()}"\n'
    # Mode at creation, and O_EXCL: no moment in which another user could read it, no other file replaced.
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return RootKeys({0: key}, 0, development)


def development_keys(path: Path) -> RootKeys:
    """The keys in `path`, made there when missing. For the demo and `dev` commands only; print DEVELOPMENT_WARNING.

    Errors: KeyFileError as `load_keys`.
    """
    try:
        return new_keys(path, development=True)
    except FileExistsError:
        return load_keys(path)


def _root_keys(path: Path, content: Mapping[str, Any]) -> RootKeys:
    table = content.get("keys")
    if not isinstance(table, dict) or not table:
        raise KeyFileError(f"{path}: no [keys]")
    keys = {_kid(path, name): _material(path, name, value) for name, value in table.items()}
    if len(keys) != len(table):
        raise KeyFileError(f"{path}: two keys with the same id")
    current = content.get("current")
    # type(): True is an int to isinstance
    if type(current) is not int or current not in keys:
        raise KeyFileError(f"{path}: current must be one of the key ids {sorted(keys)}")
    return RootKeys(keys, current, content.get("development") is True)


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
