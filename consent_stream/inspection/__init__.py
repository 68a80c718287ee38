"""Looking at what happened: reads topics, writes nothing.

The parts: `late` (was this message handed over after a withdrawal? pure), `lateness` (all messages of a window, from
Kafka), `desk` (sends and facts by subject key, on disk), `topicread` (a topic up to its end).
"""
