"""Secrets in files: one line of visible ASCII, unreadable to others."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from consent_stream.keyfile import FORBIDDEN_MODE

SHORTEST_TOKEN = 16
LONGEST_TOKEN = 4096


class TokenFileError(ValueError):
    """A token file cannot be used; the text is one line that names it and never shows what is in it."""


def read_token(path: Path) -> bytes:
    """The token in a file, white space around it dropped.

    Errors: TokenFileError when it is missing, usable by others (as key files), or no token: 16 to 4096 characters of
    visible ASCII.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            if mode & FORBIDDEN_MODE:
                raise TokenFileError(f"{path}: others may use it (mode {mode:04o}): chmod 600 {path}")
            token = file.read(LONGEST_TOKEN + 2).strip()
    except OSError as error:
        raise TokenFileError(f"{path}: {error.strerror}") from error
    if not SHORTEST_TOKEN <= len(token) <= LONGEST_TOKEN or not all(0x21 <= each <= 0x7E for each in token):
        raise TokenFileError(f"{path}: a token is {SHORTEST_TOKEN} to {LONGEST_TOKEN} visible ASCII characters")
    return token
