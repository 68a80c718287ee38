"""Topics that are made anew under a running process: it is noticed within seconds, and no offset outlives its topic.

A broker answers to names. Where a topic was deleted and made again, a running consumer goes on at its old offset as
soon as the new log reaches that far, and what stands before it is never read; a producer goes on in the middle.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from aiokafka.structs import OffsetAndMetadata
from confluent_kafka import KafkaException
from faust.types import TP

from .failure import EngineError, fail_stop
from .identity import Identity
from .starts import SourceState

if TYPE_CHECKING:
    from .app import SliceApp

log = logging.getLogger(__name__)

#: One look is one small request. What a worker writes meanwhile is repeated by the next start.
WATCH_S = 5.0


class Incarnations:
    """The ids of the topics a process works on, as they were when it started."""

    def __init__(self, identity: Identity) -> None:
        self.ids: dict[str, str] = {}
        self._identity = identity
        self._missing: set[str] = set()

    def learn(self, topics: Iterable[str]) -> None:
        """Remember what the topics are now. Blocking. Errors: KafkaException."""
        self.ids.update(self._identity.topic_ids(topics))

    def check(self) -> None:
        """Look again. Blocking.

        Errors: EngineError when a topic is another one now, or was missing at this look and the one before (a broker
        that has just come up may not know all of them yet); KafkaException when no broker answers.
        """
        found = self._identity.ids_if_there(self.ids)
        other = sorted(name for name, ident in found.items() if ident is not None and ident != self.ids[name])
        if other:
            raise EngineError(f"{', '.join(other)} was made anew while this process worked on it")
        missing = {name for name, ident in found.items() if ident is None}
        if gone := sorted(missing & self._missing):
            raise EngineError(f"{', '.join(gone)} was removed while this process worked on it")
        self._missing = missing

    def of_commit(self, topic: str, committed: OffsetAndMetadata | None, known: SourceState) -> SourceState:
        """What is known of a source when the group's offset may be one of a topic that is gone."""
        if committed is None or not committed.metadata or committed.metadata == self.ids.get(topic):
            return known
        return SourceState(None, rewind=True)


def name_commits(consumer: Any, ids: Mapping[str, str]) -> None:
    """Have this one aiokafka consumer commit each offset with the id of the topic that it is an offset of."""
    commit = consumer.commit

    async def named(offsets: Mapping[TP, OffsetAndMetadata]) -> None:
        await commit({tp: OffsetAndMetadata(at.offset, ids.get(tp.topic, "")) for tp, at in offsets.items()})

    consumer.commit = named


async def watch(app: SliceApp) -> None:
    """Look every few seconds until the app stops; end the process when a topic is not what it was."""
    loop = asyncio.get_running_loop()
    while not app.should_stop:
        await app.sleep(WATCH_S)
        try:
            await loop.run_in_executor(app.threads, app.incarnations.check)
        except KafkaException as exc:
            log.warning("the ids of topics are unknown (%s), asking again", exc.args[0])
        except Exception as exc:
            fail_stop(exc)
