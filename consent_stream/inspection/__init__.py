"""Looking at what happened: reads topics, writes nothing.

The parts: `late` (was this message handed over after a withdrawal? pure), `lateness` (all messages of a window, from
Kafka), `evidence` (sends and facts by subject key, on disk), `settled` (until when the ledger is whole), `topicread` (a
topic up to its end).
"""
