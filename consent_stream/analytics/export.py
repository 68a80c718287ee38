"""Topics into an archive: read, turn into rows, commit; so many rows at a time that memory stays the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from confluent_kafka import Message

from consent_stream.analytics.archive import Archive, ArchiveFault, Chunk, Manifest, day_of, shown
from consent_stream.analytics.tables import UNREADABLE, Row, Table, batch, fits, unreadable_row
from consent_stream.analytics.topictail import TopicIds, TopicTail
from consent_stream.settings import Settings
from consent_stream.wire.avro import WireError

ROWS = 200_000  # held at most, of one topic
BYTES = 64 * 1024 * 1024  # of their values


class Window(NamedTuple):
    """Which records, by their Kafka timestamps. Units: microseconds."""

    since: int | None = None
    until: int | None = None
    follow: bool = False


class Export:
    """One topic on its way into an archive.

    Errors: ArchiveFault when the directory holds another topic, or one that began elsewhere; Unread, Gap; OSError.
    """

    def __init__(self, settings: Settings, table: Table, generation: int, folder: Path, window: Window) -> None:
        self.table = table
        self._name = table.topic.full(settings.topic_prefix, generation)
        self._ids = TopicIds(settings)
        self._archive = Archive(folder, table.topic.name)
        ident, known = self._ids.of(self._name), self._archive.committed
        if known is not None:
            self._same(ident)
            self._goes_on(known, window.since)
        self.tail = TopicTail(settings, self._name, known.next if known else {}, **window._asdict())
        if known is None:
            self._archive.begin(Manifest(self._name, ident, window.since, dict(self.tail.reached)))
        self._had = self.committed.rows
        self._batches: dict[tuple[int, str, bool], list[pa.RecordBatch]] = {}
        self._rows = self._bytes = 0
        self.at = time.monotonic()  # of the last commit

    def close(self) -> None:
        """Let go of the link; what is not committed is read again by the next."""
        self.tail.close()

    @property
    def committed(self) -> Manifest:
        """What is in the archive."""
        found = self._archive.committed
        assert found is not None
        return found

    @property
    def full(self) -> bool:
        """Whether as much is held as may be."""
        return self._rows >= ROWS or self._bytes >= BYTES

    @property
    def added(self) -> int:
        """Rows since it was opened."""
        return self.committed.rows - self._had

    def read(self) -> int:
        """Take in what is there; how many records."""
        messages = self.tail.read()
        sorted_out: dict[tuple[int, str, bool], list[Row]] = {}
        for message in messages:
            row, day, readable = self._row(message)
            sorted_out.setdefault((message.partition(), day, readable), []).append(row)
            self._bytes += len(message.value() or b"")
        for (partition, day, readable), rows in sorted_out.items():
            made = batch(self.table.schema if readable else UNREADABLE, rows)
            self._batches.setdefault((partition, day, readable), []).append(made)
        self._rows += len(messages)
        return len(messages)

    def commit(self) -> None:
        """Put all that was read into the archive. A topic that was made anew meanwhile is found out before."""
        self.at = time.monotonic()
        if self.tail.reached == self.committed.next:
            return
        self._same(self._ids.of(self._name))
        chunks = [Chunk(p, day, found, readable) for (p, day, readable), found in self._batches.items()]
        self._archive.commit(chunks, self.tail.reached)
        self._batches, self._rows, self._bytes = {}, 0, 0

    def _goes_on(self, known: Manifest, since: int | None) -> None:
        if since is not None and since != known.since:
            began = "the beginning of the topic" if known.since is None else shown(known.since)
            raise ArchiveFault(f"--since: the export of {self._name} in this directory goes on; it began at {began}")

    def _same(self, ident: str) -> None:
        found = self.committed
        if found.name != self._name:
            raise ArchiveFault(f"the directory holds {found.name}, not {self._name}: take another directory")
        if found.topic_id != ident:
            raise ArchiveFault(
                f"topic {self._name} was made anew since (its id is {ident}, not {found.topic_id}): offsets mean other "
                "records now; take another directory"
            )

    def _row(self, message: Message) -> tuple[Row, str, bool]:
        try:
            row = self.table.row(message)
            fits(self.table.schema, row)
        except WireError as error:
            row = unreadable_row(message, error.code)
            return row, day_of(row[2]), False
        return row, day_of(row[self.table.dated]), True


@contextmanager
def exports(
    settings: Settings, tables: list[Table], generation: int, folder: Path, window: Window
) -> Iterator[list[Export]]:
    """Exports of several topics into one directory, which is `locked`."""
    found: list[Export] = []
    try:
        for table in tables:
            found.append(Export(settings, table, generation, folder, window))
        yield found
    finally:
        for each in found:
            each.close()
