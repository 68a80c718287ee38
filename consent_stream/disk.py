"""What a power cut takes along, unless it is asked to stay."""

import os
from pathlib import Path


def sync_directory(path: Path) -> None:
    """The names in a directory are on the disk when this returns: of files made, renamed or gone. Errors: OSError."""
    directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
