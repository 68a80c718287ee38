"""Between what a batch of records says and what the replica holds: nobody may be told of it as enforced."""

from consent_stream.gate.replica import MemoryReplica
from tests.gate.made import ANAS, entry, grant
from tests.gate.mailer import Mailer


def test_rows_are_being_stored_until_they_are_in_the_replica():
    """Heartbeats of a batch are heard before its rows are stored; `wait_for` looks at this."""
    seen = []

    class Watched(MemoryReplica):
        def apply(self, rows, offsets):
            seen.append(mailer.reading.storing)
            super().apply(rows, offsets)

    mailer = Mailer().get_ready()
    mailer.reading.replica = Watched()
    mailer.rows((ANAS, entry(grant())))
    assert seen == [True]
    assert not mailer.reading.storing
