"""Before the first partition is asked for: the broker answers, the topics exist, the data directory is ours alone."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException

from .failure import EngineError

if TYPE_CHECKING:
    from .app import SliceApp

log = logging.getLogger(__name__)


class DataDirLock:
    """An advisory lock on a data directory: RocksDB refuses a second opener, but only partition by partition."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._handle: int | None = None

    def acquire(self) -> None:
        """Make the directory, with its parents (Faust makes only the last level), and lock it.

        Errors: EngineError when another process holds it.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._directory / "LOCK", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(handle)
            raise EngineError(f"data directory {self._directory} is in use by another process") from None
        self._handle = handle

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


async def wait_for_kafka(app: SliceApp, *, every_s: float = 2.0) -> bool:
    """Wait for a broker, one line per attempt. Returns False when the app was stopped meanwhile."""
    loop = asyncio.get_running_loop()
    while not app.should_stop:
        try:
            await loop.run_in_executor(app.threads, app.identity.cluster, every_s)
        except KafkaException as exc:
            log.warning("cannot reach Kafka at %s (%s), trying again", app.kafka.bootstrap, exc.args[0].name())
            await app.sleep(1.0)
        else:
            return True
    return False


async def check_topics(app: SliceApp) -> None:
    """Look at the topics, and remember which incarnations of them these are.

    Errors: EngineError when a topic is missing, a count differs, or a fence is asked of a broker that has none.

    Faust only logs a missing topic, and the worker then runs with nothing to do.
    """
    if app.identity.embedded and app.fence:
        raise EngineError("the embedded broker neither isolates nor fences transactions: use fence=False or None there")
    if app.fence is None:
        app.fence = not app.identity.embedded
    wanted: dict[str, int | None] = dict.fromkeys([*app.source_topics(), *app.outputs])
    for table in app.tables.values():
        wanted[table.changelog] = table.partitions
        wanted.update({topic: table.partitions for topic in table.sources})
    found = await asyncio.get_running_loop().run_in_executor(app.threads, app.identity.partitions, wanted)
    missing = sorted(topic for topic, count in found.items() if count == 0)
    if missing:
        raise EngineError(f"topics do not exist: {', '.join(missing)}")
    for topic, count in wanted.items():
        if count is not None and found[topic] != count:
            raise EngineError(f"topic {topic} has {found[topic]} partitions, its table has {count}")
    await asyncio.get_running_loop().run_in_executor(app.threads, app.incarnations.learn, wanted)
