"""The whole product's rules on stock Faust agents: the same pure functions, one event at a time.

`take_in` and `Folder` are the worker's own; around them is Faust as its guide shows it: two agents, a table, `send`.
Heartbeats, error headers and proof of delivery are left out, which can only make it faster.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

import faust

from benchmarks.rivals.lap import FirstRecord, Lap
from consent_stream.domain.policy import read_policy
from consent_stream.keyfile import load_keys
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, PARTITIONS, QUARANTINE, SUPPRESSION

RAW = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}


def build(lap: Lap) -> faust.App:
    """`lap.source` is the topic prefix, `lap.output` the directory of policy and keys, `lap.option` the store's URL."""
    files = Path(lap.output)
    policy = read_policy(tomllib.loads((files / "policy.toml").read_text()))
    roots = load_keys(files / "keys.toml")
    ring = Keyring(roots.keys, roots.current)
    app = faust.App(
        lap.name,
        broker=f"kafka://{lap.bootstrap}",
        store=lap.option,
        datadir=str(lap.folder),
        topic_partitions=PARTITIONS,
        topic_replication_factor=1,
        consumer_auto_offset_reset="earliest",
        producer_acks=-1,
        worker_redirect_stdouts=False,
        web_enabled=False,
    )
    events, ledger, changes, quarantine = (
        app.topic(topic.full(lap.source), **RAW) for topic in (EVENTS, LEDGER, CHANGES, QUARANTINE)
    )
    lists = {channel: app.topic(topic.full(lap.source), **RAW) for channel, topic in SUPPRESSION.items()}
    table = app.Table("consent-state", partitions=PARTITIONS, key_type=bytes, value_type=bytes)
    first, folder = FirstRecord(), Folder(policy)

    @app.agent(events)  # type: ignore[untyped-decorator]
    async def intake(stream: Any) -> None:
        async for event in stream.events():
            first()
            message = event.message
            received = round(message.timestamp * 1000) * 1000
            found = take_in(event.value, received, (message.partition, message.offset), policy, ring.subject)
            for fact in found.facts:
                await ledger.send(key=fact.key, value=encode_fact(fact))
            if found.refusal:
                await quarantine.send(key=event.key, value=event.value)

    @app.agent(ledger)  # type: ignore[untyped-decorator]
    async def state(stream: Any) -> None:
        async for event in stream.events():
            fact = decode_fact(event.key, event.value)
            effects = folder.fold([(event.message.offset, fact)], [(fact.key, table.get(fact.key))])
            for key, row in effects.rows.items():
                table[key] = row
            for channel, key, entry in effects.entries:
                await lists[channel].send(key=key, value=entry)
            for key, change in effects.changes:
                await changes.send(key=key, value=change)
            for key, derived in effects.derived:
                await ledger.send(key=key, value=derived)

    return app


if __name__ == "__main__":
    built = build(Lap.from_argv())
    sys.argv = [sys.argv[0], "worker", "-l", "info", "--without-web"]
    built.main()
