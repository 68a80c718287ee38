"""A unit of work: all effects of one slice, collected while the agent works and proven together on a clean exit.

Order without a fence: outputs proven, then changelog proven, then one RocksDB batch with rows and offsets: a replay
never finds state whose outputs are unproven. With a fence: outputs and changelog are one transaction, then the batch.
"""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from . import metrics
from .failure import EngineError, fail_stop, reach
from .outbox import Effects, FencedOutbox, Headers, Outbox
from .partition import Partition
from .slices import Slice

if TYPE_CHECKING:
    from .app import SliceApp
    from .table import SliceTable

_BOUND_EVERY_S = 2.0


class Unit:
    """The unit of a stage without a table. Leaving `async with` cleanly means that every delivery is proven.

    Errors: an exception in the body leaves nothing behind and ends the process; so does any unproven delivery.
    """

    def __init__(self, app: SliceApp, piece: Slice) -> None:
        self.piece = piece
        self._app = app
        self._effects = Effects()

    def emit(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int = -1,
        headers: Headers | None = None,
    ) -> None:
        """Add an output record. partition -1: by the key, as the Java client would (murmur2)."""
        self._effects.add(topic, key, value, partition, headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._has_work():
            await asyncio.get_running_loop().run_in_executor(self._app.threads, self._prove_or_stop)

    def _has_work(self) -> bool:
        return self._effects.count > 0

    def _prove_or_stop(self) -> None:
        try:
            started = time.perf_counter()
            self._prove()
            metrics.DELIVERY.labels(self.piece.topic).observe(time.perf_counter() - started)
        except BaseException as exc:
            fail_stop(exc)

    def _prove(self) -> None:
        reach("unit.before-produce")
        self._app.outbox(self.piece).deliver(self._effects)
        reach("unit.after-outputs")
        reach("unit.before-commit")
        reach("unit.after-commit")


class TableUnit(Unit):
    """The unit of a stage with a table. Rows live in the partition the slice came from."""

    def __init__(self, app: SliceApp, piece: Slice, table: SliceTable) -> None:
        super().__init__(app, piece)
        self._table = table
        self._part: Partition = table.partition(piece.partition)
        self._rows: dict[bytes, bytes | None] = {}

    def load(self, keys: list[bytes]) -> list[bytes | None]:
        """Values in the order of `keys`, None where there is no row; rows put in this unit are seen."""
        if not keys:
            return []
        try:
            found = self._part.get(keys)
        except Exception as exc:
            self._unreadable(exc)
        if self._rows:
            return [self._rows.get(key, value) for key, value in zip(keys, found, strict=True)]
        return found

    def put(self, key: bytes, value: bytes | None) -> None:
        """Set a row (None: delete it) and its changelog record."""
        self._rows[key] = value

    def _has_work(self) -> bool:
        return True  # the source offset is written even when nothing changed

    def _unreadable(self, exc: Exception) -> None:
        if "corruption" in str(exc).lower():
            self._part.suspect()
        raise EngineError(f"store {self._table.name}/{self._part.number} cannot be read: {exc}") from None

    def _prove(self) -> None:
        with self._part.lock:
            self._prove_alone(self._part)

    def _prove_alone(self, part: Partition) -> None:
        if part.meta is None or part.outbox is None:
            raise EngineError(f"store {self._table.name}/{part.number} was not restored")
        changelog: list[dict[str, Any]] = [{"key": key, "value": value} for key, value in self._rows.items()]
        bound = None
        reach("unit.before-produce")
        if isinstance(part.outbox, FencedOutbox):
            if changelog or self._effects.count:
                bound = self._prove_fenced(part.outbox, changelog)
        else:
            bound = self._prove_in_order(part, part.outbox, changelog)
        reach("unit.after-commit")
        part.write(self._rows.items(), self._table.meta_after(part, self.piece, bound))
        reach("unit.after-store")

    def _prove_fenced(self, outbox: FencedOutbox, changelog: list[dict[str, Any]]) -> int | None:
        outbox.begin(self._effects)
        reach("unit.after-outputs")
        reach("unit.before-commit")
        return outbox.commit(changelog, self._table.changelog, self._part.number)

    def _prove_in_order(self, part: Partition, outbox: Outbox, changelog: list[dict[str, Any]]) -> int | None:
        if self._effects.count:
            outbox.deliver(self._effects)
        reach("unit.after-outputs")
        if changelog:
            effects = Effects()
            effects.count = len(changelog)
            effects.groups[self._table.changelog, part.number] = changelog
            reach("unit.before-commit")
            outbox.deliver(effects)
        now = time.monotonic()
        if now - part.bound_at < _BOUND_EVERY_S:
            return None
        # Nothing of this partition is in flight here, so its end is a safe bound; asking for each slice would be slow.
        part.bound_at = now
        return self._app.identity.watermarks(self._table.changelog, part.number)[1]
