"""Records whose header names are not UTF-8 are read too, with U+FFFD in the name.

Kafka's protocol calls a header name a string, but brokers do not look at it. aiokafka raises `UnicodeDecodeError` at
such a record, at every try: its partition would stand still for ever, and everything behind it would wait.
"""

from __future__ import annotations

import logging
from types import FunctionType, MethodType
from typing import Any

from aiokafka.consumer import fetcher as module
from aiokafka.errors import CorruptRecordException

from .unpacking import BoundedRecords, BoundedResult, PlainRecords, unpacked

log = logging.getLogger(__name__)

_METHODS = ("_proc_fetch_request", "fetched_records")


def tolerate(fetcher: Any) -> None:
    """Have this one Fetcher read such records, and unpack batches up to a bound; all others stay aiokafka's own.

    Its methods find the readers by their names in its module, so they get a copy of those names with three changed.
    """
    names = {
        **vars(module),
        "MemoryRecords": BoundedRecords,
        "PartitionRecords": TolerantRecords,
        "FetchResult": BoundedResult,
    }
    for name in _METHODS:
        method = getattr(module.Fetcher, name)
        function = FunctionType(method.__code__, names, name, method.__defaults__)
        function.__kwdefaults__ = method.__kwdefaults__
        setattr(fetcher, name, MethodType(function, fetcher))


class TolerantRecords(module.PartitionRecords):  # type: ignore[misc]
    """The records of one partition in one fetch response. Costs nothing until a header name cannot be decoded."""

    _records_iterator: Any
    _again_from = -1

    def __init__(self, tp: Any, records: BoundedRecords, *args: Any, **kwargs: Any) -> None:
        super().__init__(tp, records, *args, **kwargs)
        self._raw = records.raw

    def __next__(self) -> Any:
        try:
            return next(self._records_iterator)
        except StopIteration:
            self._records_iterator = None  # as aiokafka's own does: it breaks a reference cycle
            raise
        except (UnicodeDecodeError, CorruptRecordException) as exc:  # the latter from aiokafka's Python reader
            # At the same offset a second time it is something else.
            if not _undecodable(exc) or self.next_fetch_offset == self._again_from:
                raise
        # Of the batch that failed, the records below `next_fetch_offset` were handed out; those are passed over. What
        # is known of aborted transactions is true up to this batch.
        self._again_from = self.next_fetch_offset
        log.warning(
            "%s/%d: a record's header name is not UTF-8, in the batch of offset %d; read with U+FFFD in it",
            self._tp.topic,
            self._tp.partition,
            self.next_fetch_offset,
            extra={"topic": self._tp.topic, "partition": self._tp.partition, "offset": self.next_fetch_offset},
        )
        self._records = _Again(self._raw, self.next_fetch_offset)
        self._records_iterator = self._unpack_records()
        return next(self)


def _undecodable(exc: BaseException) -> bool:
    return isinstance(exc, UnicodeDecodeError) or isinstance(exc.__cause__, UnicodeDecodeError)


class _Again:
    """The batches of a response from the one that holds or follows `offset`; only that one is read leniently."""

    def __init__(self, raw: bytes, offset: int) -> None:
        self._rest = BoundedRecords(raw)
        self._first: Any = None
        while self._first is None and self._rest.has_next():
            batch = self._rest.next_batch()
            if batch.next_offset > offset:
                self._first = PlainRecords(batch, *unpacked(self._rest.piece), self._rest.piece)

    def has_next(self) -> bool:
        return self._first is not None or bool(self._rest.has_next())

    def next_batch(self) -> Any:
        if self._first is None:
            return self._rest.next_batch()
        first, self._first = self._first, None
        return first
