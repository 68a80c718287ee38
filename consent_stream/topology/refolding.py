"""What a list must say of some keys, from the ledger alone: their facts folded once more, from the first one on.

The same facts give the same record under the same version (`fold`), so this is what the owner published, byte for byte,
whatever the list holds by now. It reads the partition whole: rare, and never on the way of a slice.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consent_stream.domain.facts import Fact
from consent_stream.topology.fold import Folder
from consent_stream.wire.avro import WireError
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.suppression import decode_entry

Newest = dict[tuple[str, bytes], tuple[int, bytes]]  # (list, key) → (version, value)
BATCH = 10_000
WAIT_S = 1.0
SILENT = 30  # waits without a record, until it is an error: the offsets asked for are there


class Refolding:
    """Facts of `keys` in one partition of the ledger. `read_to` may be called again; `entries` folds what was read."""

    def __init__(self, consumer: Consumer, ledger: str, partition: int, keys: Collection[bytes]) -> None:
        self._consumer, self._keys = consumer, frozenset(keys)
        self._where = f"{ledger}/{partition}"
        low, _ = consumer.get_watermark_offsets(TopicPartition(ledger, partition), timeout=10)
        self._at = low
        self._facts: list[tuple[int, Fact]] = []
        consumer.assign([TopicPartition(ledger, partition, low)])

    def read_to(self, offset: int) -> None:
        """Read all facts before `offset`, which is not beyond the end. Errors: KafkaException, TimeoutError."""
        silent = 0
        while self._at < offset:
            messages = self._consumer.consume(BATCH, WAIT_S)
            silent = 0 if messages else silent + 1
            if silent > SILENT:
                raise TimeoutError(f"{self._where}: nothing came from offset {self._at} on")
            for message in messages:
                if message.error() is not None:
                    raise KafkaException(message.error())
                key = message.key()
                if message.offset() < offset and key in self._keys:
                    self._note(message.offset(), key, message.value() or b"")
            # Markers of transactions are no records: the consumer's own position is behind them.
            (place,) = self._consumer.position(self._consumer.assignment())
            self._at = max(self._at, place.offset)

    def _note(self, offset: int, key: bytes, value: bytes) -> None:
        try:
            self._facts.append((offset, decode_fact(key, value)))
        except WireError:
            return  # it was quarantined by the state stage, and is in no record

    def entries(self, folder: Folder, kept: Callable[[list[bytes]], list[bytes | None]]) -> Newest:
        """The newest record of each key whose row comes out as the table has it. `folder`: one that remembers nothing.
        kept: the table's rows of keys.

        The ledger is kept for years, not for ever: where it has lost facts, a record folded from the rest could lack a
        restriction, and none is better than that one.
        """
        keys = list(dict.fromkeys(fact.key for _, fact in self._facts))
        effects = folder.fold(self._facts, [(key, None) for key in keys])
        whole = {key for key, row in zip(keys, kept(keys), strict=True) if effects.rows.get(key) == row}
        return {
            (channel, key): (decode_entry(value).version, value)
            for channel, key, value in effects.entries
            if key in whole
        }
