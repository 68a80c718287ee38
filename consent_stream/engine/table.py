"""A Faust table that is read and written slice by slice, one RocksDB per partition.

It is declared to Faust (name, changelog, partitions, assignor), but Faust never writes it: `table[key] = …` would go
through its ProducerBuffer, which swallows errors.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import faust
from faust.stores.base import SerializedStore
from faust.types import TP

from .failure import EngineError
from .partition import Meta, Partition
from .slices import Slice
from .starts import SourceState
from .unit import TableUnit

if TYPE_CHECKING:
    from .app import SliceApp


class SliceStore(SerializedStore):  # type: ignore[misc]
    """Faust's view of the partitions: look-ups and iteration. Registered as `slices` in `faust.stores`."""

    @property
    def _parts(self) -> Mapping[int, Partition]:
        parts: Mapping[int, Partition] = self.table.parts
        return parts

    def _get(self, key: bytes) -> bytes | None:
        found = (part.get([key])[0] for part in self._parts.values())
        return next((value for value in found if value is not None), None)

    def _contains(self, key: bytes) -> bool:
        return self._get(key) is not None

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        for part in self._parts.values():
            yield from part.items()

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes]:
        return (value for _, value in self._iteritems())

    def _size(self) -> int:
        return sum(1 for _ in self._iteritems())

    def _set(self, key: bytes, value: bytes | None) -> None:
        raise EngineError("rows are written through table.unit(slice)")

    def _del(self, key: bytes) -> None:
        raise EngineError("rows are written through table.unit(slice)")

    def _clear(self) -> None:
        raise EngineError("rows are written through table.unit(slice)")

    def apply_changelog_batch(self, *_: Any, **__: Any) -> None:
        raise EngineError("changelogs are restored in bulk, never record by record")

    async def backup_partition(self, *_: Any, **__: Any) -> None:
        raise EngineError("the changelog is the backup")

    def restore_backup(self, *_: Any, **__: Any) -> None:
        raise EngineError("the changelog is the backup")

    def persisted_offset(self, tp: TP) -> int | None:
        part = self._parts.get(tp.partition)
        return part.meta.changelog - 1 if part is not None and part.meta is not None else None

    def set_persisted_offset(self, tp: TP, offset: int) -> None:
        """Nothing: offsets are written with the rows."""

    def reset_state(self) -> None:
        shutil.rmtree(self.table.directory, ignore_errors=True)


class SliceTable(faust.Table):  # type: ignore[misc]
    """`app.Table(name, partitions=n, changelog=topic, sources=[topics that feed it])`."""

    def __init__(self, app: SliceApp, *, sources: Sequence[str] = (), **options: Any) -> None:
        super().__init__(app, store="slices://rocksdb", key_type=bytes, value_type=bytes, **options)
        self.sources = tuple(sources)
        self.parts: dict[int, Partition] = {}
        self.topic_ids: dict[str, str] = {}  # of the sources, as of the last restore

    @property
    def changelog(self) -> str:
        name: str = self.changelog_topic.get_topic_name()
        return name

    @property
    def directory(self) -> Path:
        return Path(str(self.app.conf.tabledir)) / str(self.name)

    def transactional_id(self, number: int) -> str:
        """Named after what is protected, not after the group: two groups with one changelog fence each other too."""
        return f"{self.changelog}-{number}"

    def unit(self, piece: Slice) -> TableUnit:
        """The unit of work of one slice; its rows are those of the slice's partition."""
        return TableUnit(self.app, piece, self)

    def partition(self, number: int) -> Partition:
        """Errors: EngineError when this process does not own that partition."""
        try:
            return self.parts[number]
        except KeyError:
            raise EngineError(f"partition {number} of table {self.name} is not assigned here") from None

    def meta_after(self, part: Partition, piece: Slice, changelog_bound: int | None) -> Meta:
        """What `part` reflects once the effects of `piece` are in it."""
        if part.meta is None:
            raise EngineError(f"store {self.name}/{part.number} was not restored")
        ident = self.topic_ids.get(piece.topic) or self._learn(piece.topic)
        return Meta(
            cluster=part.meta.cluster,
            topic=part.meta.topic,
            changelog=max(part.meta.changelog, changelog_bound or 0),
            written_s=int(time.time()),
            sources={**part.meta.sources, piece.topic: (ident, piece.next)},
            rewind=part.meta.rewind,
        )

    def _learn(self, topic: str) -> str:
        self.topic_ids.update(self.app.identity.topic_ids([topic]))
        return self.topic_ids[topic]

    def source_states(self) -> dict[TP, SourceState]:
        """What the stores say about their sources' partitions."""
        states: dict[TP, SourceState] = {}
        for part in self.parts.values():
            meta = part.meta
            if meta is None:
                continue
            for topic in {*self.sources, *meta.sources, *meta.rewind}:
                ident, applied = meta.sources.get(topic, (None, None))
                # A source made anew starts again at 0: neither our offset nor the group's means anything in it.
                renewed = ident is not None and ident != self.topic_ids.get(topic)
                rewind = renewed or topic in meta.rewind
                states[TP(topic, part.number)] = SourceState(None if rewind else applied, rewind)
        return states

    def rewound(self) -> None:
        """The group's offsets are moved back: forget the mark that asked for it."""
        for part in self.parts.values():
            meta = part.meta
            if meta is None:
                continue
            kept = {topic: at for topic, at in meta.sources.items() if at[0] == self.topic_ids.get(topic, at[0])}
            if meta.rewind or kept != meta.sources:
                part.write((), Meta(meta.cluster, meta.topic, meta.changelog, meta.written_s, kept))

    async def on_stop(self) -> None:
        await super().on_stop()
        for number in list(self.parts):
            self.parts.pop(number).close()
