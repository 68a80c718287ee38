"""A checker and hands to feed it, without Kafka; clocks are plain numbers."""

from consent_stream.gate.checker import Checker, Clock
from consent_stream.gate.question import Question
from consent_stream.gate.reading import Reading, Record
from consent_stream.gate.replica import MemoryReplica, Origin
from consent_stream.wire.control import Partitions, encode_partitions, encode_policy
from consent_stream.wire.keys import HEARTBEAT_KEY
from tests.gate.made import ANA, RING, SECOND, beat

NOON = 1_800_000_000 * SECOND
LIMIT = 10
ORIGIN = Origin("c", "suppression.email", "t", 2)


class Mailer:
    """A checker, and hands to feed it: two partitions of the list and of the events."""

    def __init__(self, tenants=None, *, channel="email", ring=RING, partitions=2, ledger=2):
        self.wall, self.steady = NOON, 0
        self.reading = Reading(MemoryReplica())
        self.checker = Checker(channel, self.reading, ring, LIMIT, Clock(lambda: self.wall, lambda: self.steady))
        self.channel = channel
        self.reading.begin(ORIGIN._replace(partitions=partitions))
        self.control(encode_policy(tenants or {"acme": {}}), encode_partitions(Partitions(2, ledger)))
        self.offset = 0

    def control(self, *records):
        self.reading.take_control([Record(0, number, *each) for number, each in enumerate(records)])

    def rows(self, *pairs):
        self.offset += 1
        self.reading.take([Record(0, self.offset, *pair) for pair in pairs], self.wall, self.steady)

    def beats(self, through=None, *, control_read=True, **about):
        if control_read:
            self.reading.control_proven(self.steady)
        for q in (0, 1):
            value = beat(q, through=self.wall if through is None else through, **about)
            self.reading.take([Record(q, 0, HEARTBEAT_KEY, value)], self.wall, self.steady)

    def pass_time(self, seconds):
        self.wall += int(seconds * SECOND)
        self.steady += int(seconds * SECOND)

    def ask(self, tenant="acme", **about):
        about = about if {"email", "phone", "key"} & set(about) else {"email": ANA, **about}
        asked = Question(tenant, **{"scope": "news", **about})
        return self.checker.ask(asked, self.checker.moment(settled=asked.contact is None))

    def get_ready(self):
        self.reading.caught_up()
        self.beats()
        return self
