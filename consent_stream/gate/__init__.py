"""What mailers import: a suppression list in their own process, and answers that prove how fresh they are.

Needs the core install alone. The parts: `freshness` (heartbeats → how old), `rows` (which record stands), `control`
(policy and switches), `reading` (the state of a gate), `question` (which keys), `checker` (the answer), `source` and
`follower` (Kafka), `replica` and `lmdb_replica` (where rows are kept), `known`, `lmdb_reader` and `stored` (the same,
as other processes read it), `gate` (the interface).
"""

from consent_stream.gate.gate import Gate, Status
from consent_stream.gate.lmdb_replica import LmdbReplica
from consent_stream.gate.question import Question
from consent_stream.gate.replica import MemoryReplica, Replica, ReplicaFault
from consent_stream.gate.verdict import Verdict

__all__ = ["Gate", "LmdbReplica", "MemoryReplica", "Question", "Replica", "ReplicaFault", "Status", "Verdict"]
