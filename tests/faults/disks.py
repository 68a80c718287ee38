"""What may happen to files under a worker: a disk that fills up, and stores that somebody or something damages."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from rocksdict import AccessType, Options, Rdict

from consent_stream.wire.topics import STATE
from tests.faults.committed import META, stores
from tests.faults.deployment import Deployment, Worker

DISK_MIB = 24
# Less than the 70 MiB that RocksDB asks for ahead of each log (fallocate): refused at once, so it takes what it writes.


class SmallDisk:
    """A worker's data directory that can be filled up. form: what it is, for whoever reads the output of a test."""

    def __init__(self, form: str, folder: Path) -> None:
        self.form, self._folder, self._filler = form, folder, folder / "filler"

    def fill(self, worker: Worker) -> None:
        """Leave no room, under a worker that runs or before one starts."""
        if self.form == "tmpfs":
            with self._filler.open("ab", buffering=0) as file:
                for size in (1 << 20, 1 << 12):
                    try:
                        while True:
                            file.write(bytes(size))
                    except OSError as full:
                        assert full.errno == 28  # noqa: PT017  # the loop has no other end
        elif worker.running:
            # A file may not grow any more. Python ignores SIGXFSZ, so that writes fail with EFBIG. The log may.
            resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))

    def empty(self) -> None:
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """On `folder`: a tmpfs where this user may mount, else a limit on file sizes (Linux). With CI, never neither."""
    folder.mkdir(parents=True)
    mounted = sys.platform == "linux" and _run("mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(folder))
    if not mounted and not hasattr(resource, "prlimit"):
        assert not os.environ.get("CI"), "no way to fill a disk: neither mount(8) nor prlimit(2)"
        pytest.skip("no way to fill a disk here: neither mount(8) nor prlimit(2)")
    try:
        yield SmallDisk("tmpfs" if mounted else "limit", folder)
    finally:
        if mounted:
            assert _run("umount", "-l", str(folder))


def _run(*command: str) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=20).returncode == 0
    except FileNotFoundError:
        return False


# -- damage

# What happens to which files. A tail of the write-ahead log may be lost with the changelog still ahead of it: no fault.
HARMS = {
    "tables scribbled over at the start": ("*.sst", "start"),
    "tables scribbled over in the middle": ("*.sst", "middle"),
    "tables scribbled over at the end": ("*.sst", "end"),
    "tables cut": ("*.sst", "cut"),
    "tables gone": ("*.sst", "gone"),
    "manifest cut": ("MANIFEST-*", "cut"),
    "manifest scribbled over": ("MANIFEST-*", "middle"),
    "manifest gone": ("MANIFEST-*", "gone"),
    "CURRENT gone": ("CURRENT", "gone"),
    "CURRENT empty": ("CURRENT", "empty"),
    "log scribbled over": ("*.log", "middle"),
    "log cut": ("*.log", "cut"),
    "log gone": ("*.log", "gone"),
    "everything gone": ("*", "gone"),
}


def harm(store: Path, name: str, random: Random) -> int:
    """Do HARMS[name] to a store; how many files that were."""
    pattern, what = HARMS[name]
    files = [path for path in store.glob(pattern) if path.is_file() and path.name != "LOCK"]
    for path in files:
        size = path.stat().st_size
        if what == "gone":
            path.unlink()
        elif what in ("cut", "empty"):
            os.truncate(path, size // 2 if what == "cut" else 0)
        else:
            length = min(64, size)
            at = {"start": 0, "middle": max(0, size // 2 - 32), "end": size - length}[what]
            with path.open("r+b") as file:
                file.seek(at)
                file.write(random.randbytes(length))
    return len(files)


def check_rows(deployment: Deployment) -> int:
    """Every store of the workers, which have ended, holds exactly what the changelog says; how many stores."""
    said: dict[int, dict[bytes | None, bytes | None]] = {}
    for each in deployment.read(STATE):
        said.setdefault(each.partition, {})[each.key] = each.value
    seen = 0
    for path, number in stores(deployment):
        db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
        try:
            rows = {key: value for key, value in db.items() if key != META}
        finally:
            db.close()
        assert rows == {key: value for key, value in said.get(number, {}).items() if value is not None}, path.name
        seen += 1
    return seen
