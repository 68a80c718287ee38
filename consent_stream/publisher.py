"""Records to `consent.events`, as they stand, and the receipts that prove them."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

DELIVERY_MS = 30_000  # how long librdkafka tries one record; its own default is five minutes of silence


@dataclass
class Receipt:
    """One line's place in `consent.events`, once Kafka has proven it. error: why it was not taken."""

    line: int
    partition: int = -1
    offset: int = -1
    error: str | None = None

    @property
    def known(self) -> bool:
        """Whether Kafka has answered for this line."""
        return self.offset >= 0 or self.error is not None


class Unproven(Exception):
    """Publishing stopped; the text says why, at which line, and how many records are unproven."""


class Publisher:
    """Sends lines and returns their receipts in the order of the lines."""

    def __init__(self, settings: Settings) -> None:
        # Refused here, by the line, what the topic would refuse: a broker drops the connection on far larger ones.
        largest = int(EVENTS.config["max.message.bytes"])
        over = {"message.timeout.ms": DELIVERY_MS, "message.max.bytes": largest, "log_level": 0}
        self._producer = Producer(settings.producer(**over))
        self._topic = EVENTS.full(settings.topic_prefix)
        self._open: deque[Receipt] = deque()

    def send(self, line: int, value: bytes) -> None:
        """Hand one record over; a refusal shows in `proven`."""
        receipt = Receipt(line)
        self._open.append(receipt)

        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                receipt.error = error.str()
            else:
                receipt.partition, receipt.offset = message.partition(), message.offset()

        while True:
            try:
                self._producer.produce(self._topic, value, on_delivery=report)
                return
            except BufferError:  # the queue is full: wait for the oldest reports
                self._producer.poll(0.1)
            except KafkaException as error:  # such as a record larger than any of ours may be
                receipt.error = error.args[0].str()
                return

    def proven(self, wait: float = 0) -> Iterator[Receipt]:
        """Receipts that have become known, after waiting up to `wait` seconds for news.

        Errors: Unproven when a record was refused or its time ran out; nothing after its line counts as sent.
        """
        self._producer.poll(wait)
        while self._open and self._open[0].known:
            if (error := self._open[0].error) is not None:
                line = self._open[0].line
                raise Unproven(f"line {line}: {error}; records unproven: {self._count_unproven()}")
            yield self._open.popleft()

    def rest(self) -> Iterator[Receipt]:
        """All that is still on its way; each record is proven or refused within its delivery time.

        Errors: Unproven.
        """
        while self._open:
            yield from self.proven(wait=0.1)

    def _count_unproven(self) -> int:
        self._producer.flush(DELIVERY_MS / 1000)  # some behind the refused one may still arrive
        return sum(1 for each in self._open if each.offset < 0)
