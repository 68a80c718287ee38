"""A two-stage worker for the engine's tests: `rekey` (stateless) and `merge` (a table of max-registers).

Run as `python pipeline.py`; everything comes from the environment, so that a test can start, kill and restart it.

BOOTSTRAP, PREFIX, DATADIR, GROUP; STAGES "12" (both), "1", "2" or "d" (merge straight on the source); FENCE "1", "0"
or ""; WORKER a static member id; SLICE records a slice; SESSION, COMMIT seconds; SLOW seconds a body dawdles; BREAK
"merge:30" raises in the body of the 30th slice; READY_FILE gets a line each time the worker is ready; POSITIONS is a
file that always holds the last `app.positions()`; OPENING is how many seconds the restore of a partition dawdles.
"""

import asyncio
import gc
import logging
import os
import random
import sys
import time
from pathlib import Path

import orjson

from consent_stream.engine import PlainKafka, SliceApp, SliceSchema, run

E = os.environ
PREFIX = E["PREFIX"]
SOURCE, MID, OUT = f"{PREFIX}-src", f"{PREFIX}-mid", f"{PREFIX}-out"
CHANGELOG, QUARANTINE = f"{PREFIX}-state", f"{PREFIX}-quarantine"
STAGES, SLOW = E.get("STAGES", "12"), float(E.get("SLOW", "0"))
PARTITIONS = int(E.get("PARTITIONS", "4"))
SESSION = float(E.get("SESSION", "6"))

app = SliceApp(
    E.get("GROUP", f"{PREFIX}-app"),
    kafka=PlainKafka(E["BOOTSTRAP"]),
    datadir=Path(E["DATADIR"]),
    fence={"1": True, "0": False, "": None}[E.get("FENCE", "1")],
    worker_id=E.get("WORKER") or None,
    outputs=[MID, QUARANTINE] if STAGES == "1" else [OUT],
    slice_records=int(E.get("SLICE", "2000")),
    lanes=int(E.get("LANES", "2")),
    broker_session_timeout=SESSION,
    broker_heartbeat_interval=SESSION / 5,
    broker_commit_interval=float(E.get("COMMIT", "0.5")),
)
feed = SOURCE if STAGES == "d" else MID
table = app.Table("registers", partitions=PARTITIONS, changelog=CHANGELOG, sources=[feed]) if STAGES != "1" else None
started = {"at": 0.0, "records": 0.0}


def break_at(stage: str, slices: int) -> None:
    if E.get("BREAK") == f"{stage}:{slices}":
        raise ValueError("fictional@example.com must not be printed")


def fact(raw: bytes) -> tuple[bytes, bytes]:
    event = orjson.loads(raw)
    return event["subject"].encode(), orjson.dumps([event["register"], event["time"]])


def meter(count: int) -> None:
    if not started["at"]:
        started["at"] = time.time()
        started["cpu"] = time.process_time()
    started["records"] += count
    target = int(E.get("TARGET", "0"))
    if target and started["records"] >= target:
        wall = time.time() - started["at"]
        cpu = (time.process_time() - started["cpu"]) / started["records"] * 1e6
        print(f"BENCH {started['records']:.0f} {started['records'] / wall:.0f}/s cpu {cpu:.1f} us", flush=True)
        started["records"] = -1e18


if STAGES in ("1", "12"):

    @app.agent(app.topic(SOURCE, schema=SliceSchema(), partitions=PARTITIONS))
    async def rekey(stream):
        slices = 0
        async for piece in stream:
            async with app.unit(piece) as unit:
                for record in piece:
                    try:
                        key, value = fact(record.value)
                    except (ValueError, KeyError, TypeError):
                        why = [("why", b"not a fact")]
                        unit.emit(QUARANTINE, record.key, record.value, headers=why)
                    else:
                        unit.emit(MID, key, value)
                break_at("rekey", slices)
            slices += 1
            await asyncio.sleep(SLOW * random.random())


if table is not None:

    @app.agent(app.topic(feed, schema=SliceSchema(), partitions=PARTITIONS))
    async def merge(stream):
        slices = 0
        async for piece in stream:
            async with table.unit(piece) as unit:
                by_key = {}
                for record in piece:
                    key, value = (record.key, record.value) if feed == MID else fact(record.value)
                    by_key.setdefault(key, []).append(value)
                keys = list(by_key)
                for key, raw in zip(keys, unit.load(keys), strict=True):
                    state = orjson.loads(raw) if raw is not None else {}
                    changed = False
                    for value in by_key[key]:
                        name, when = orjson.loads(value)
                        if when > state.get(name, 0):
                            state[name] = when
                            changed = True
                    if changed:
                        row = orjson.dumps(state, option=orjson.OPT_SORT_KEYS)
                        unit.put(key, row)
                        unit.emit(OUT, key, row, piece.partition)
                break_at("merge", slices)
            slices += 1
            meter(len(piece))
            await asyncio.sleep(SLOW * random.random())


if E.get("POSITIONS"):

    @app.task
    async def tell_positions():
        while not app.should_stop:
            told = {f"{tp.topic}/{tp.partition}": list(vars(at).values()) for tp, at in app.positions().items()}
            Path(E["POSITIONS"] + ".new").write_bytes(orjson.dumps(told))
            os.replace(E["POSITIONS"] + ".new", E["POSITIONS"])
            await asyncio.sleep(0.05)


if E.get("OPENING"):
    from consent_stream.engine import restore

    opened = restore._open

    def dawdle(*args):
        time.sleep(float(E["OPENING"]))
        return opened(*args)

    restore._open = dawdle


@app.on_ready
def ready(owned):
    if path := E.get("READY_FILE"):
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{sorted((tp.topic, tp.partition) for tp in owned)}\n")


if __name__ == "__main__":
    gc.set_threshold(100_000, 20, 100)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(run(app))
