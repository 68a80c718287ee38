"""The Faust app: two agents over slices, one table, and the pulse that proves how fresh their outputs are."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from consent_stream.domain.facts import Fact
from consent_stream.domain.policy import Policy
from consent_stream.engine import Slice, SliceApp, SliceSchema, TableUnit, Unit, Unread
from consent_stream.settings import Settings
from consent_stream.topology import metrics
from consent_stream.topology.doubts import DoubtsWatch
from consent_stream.topology.echo import Echo
from consent_stream.topology.fold import Effects, Folder
from consent_stream.topology.intake import Intake, Refusal, take_in
from consent_stream.topology.pulse import Pulse
from consent_stream.topology.refusals import Refusals
from consent_stream.topology.regressions import TABLE, Regressions
from consent_stream.topology.traced import Stages
from consent_stream.tracing import Traces
from consent_stream.tracing.traces import clock
from consent_stream.wire.avro import WireError
from consent_stream.wire.keys import Keyring
from consent_stream.wire.records import error_headers, fit_for_quarantine
from consent_stream.wire.schemas import CONSENT_CHANGE
from consent_stream.wire.topics import CHANGES, EVENTS, LEDGER, QUARANTINE, STATE, SUPPRESSION

log = logging.getLogger(__name__)
AGENTS = ("intake", "state")
_refusals = Refusals()  # of this process


def build_app(
    settings: Settings,
    policy: Policy,
    keyring: Keyring,
    *,
    events: int,
    ledger: int,
    agents: Collection[str] = AGENTS,
    data_dir: Path | None = None,
    generation: int = 0,
    change_header: bytes = CONSENT_CHANGE,
    traces: Traces | None = None,
) -> SliceApp:
    """The processor as a Faust app; run it with `engine.run`.

    Shapes: `events` and `ledger` are partition counts; `agents` any of AGENTS. All processes of a generation form one
    group, whichever agents they run: each gets partitions of the topics that its own agents read. change_header: what
    stands before each record of the changes. traces: where the stages leave spans.
    """
    names = Names.of(settings.topic_prefix, generation)
    outputs = [names.quarantine, names.ledger]
    if "state" in agents:
        outputs += [names.changes, *names.lists.values()]
    app = SliceApp(
        group_id(settings.topic_prefix, generation),
        kafka=settings,
        datadir=data_dir or settings.data_dir,
        worker_id=settings.worker_id,
        fence=None if "state" in agents else False,
        outputs=outputs,
    )
    echo = Echo(heard=set(agents) == set(AGENTS))
    stages = None if traces is None else Stages(traces, policy, keyring, names.lists)
    if "intake" in agents:
        add_intake(app, names, policy, keyring, events, echo, stages)
        app.task(DoubtsWatch(app, settings, metrics.DOUBTS).run)
    if "state" in agents:
        add_state(app, names, Folder(policy, generation, change_header), ledger, echo, stages)
    pulse = Pulse(app, settings, agents, events=events, ledger=ledger, generation=generation)
    app.task(pulse.run)
    if "state" in agents:
        guard = Regressions(
            app, settings, policy, group=group_id(settings.topic_prefix, generation), generation=generation
        )
        app.task(guard.run)
    return app


class Names(NamedTuple):
    """Full names of the topics that one generation reads and writes."""

    events: str
    ledger: str
    state: str
    lists: dict[str, str]
    changes: str
    quarantine: str

    @classmethod
    def of(cls, prefix: str, generation: int) -> Names:
        lists = {channel: topic.full(prefix, generation) for channel, topic in SUPPRESSION.items()}
        events, ledger, state, changes, quarantine = (
            topic.full(prefix, generation) for topic in (EVENTS, LEDGER, STATE, CHANGES, QUARANTINE)
        )
        return cls(events, ledger, state, lists, changes, quarantine)


def group_id(prefix: str, generation: int) -> str:
    """The consumer group of a generation's workers; its committed offsets tell how far the intake is."""
    return f"{prefix}consent-stream" + (f".g{generation}" if generation else "")


def add_intake(
    app: SliceApp,
    names: Names,
    policy: Policy,
    keyring: Keyring,
    partitions: int,
    echo: Echo,
    stages: Stages | None = None,
) -> None:
    """The agent that qualifies events. A function of (record, policy): it keeps nothing."""
    source = app.topic(names.events, schema=SliceSchema(), partitions=partitions)
    ledger, quarantine = names.ledger, names.quarantine

    @app.agent(source, name="intake")  # type: ignore[untyped-decorator]
    async def intake(slices: Any) -> None:
        async for piece in slices:
            began = clock()
            async with app.unit(piece) as unit:
                _take_slice(piece, unit, policy, keyring, echo, ledger, quarantine)
            if stages is not None:
                stages.intake(piece, began)


def _take_slice(
    piece: Slice, unit: Unit, policy: Policy, keyring: Keyring, echo: Echo, ledger: str, quarantine: str
) -> None:
    counts: list[str] = []
    emit, encode, partition = unit.emit, echo.encode, piece.partition
    key_of, older = keyring.subject, keyring.older
    spoke: dict[str, int] = {}
    for record in piece.records:
        if isinstance(record.value, Unread):
            taken = Intake([], Refusal("too_large", f"a batch that is {record.value.why}, as it was fetched"), [])
        else:
            taken = take_in(record.value, record.timestamp * 1000, (partition, record.offset), policy, key_of, older)
        for fact in taken.facts:
            emit(ledger, fact.key, encode(fact))
            spoke[fact.source] = record.timestamp
        if taken.counts:
            counts += taken.counts
        if taken.refusal:
            code, message, events = taken.refusal
            place = (piece.topic, partition, record.offset)
            key, value, original, cut = fit_for_quarantine(record.key, record.value, record.headers)
            if cut:
                message = f"{message}; cut, the whole record is at its place"
            emit(quarantine, key, value, headers=error_headers(code, "intake", place, message, events, original))
            metrics.QUARANTINED.labels(code, "intake").inc()
            if code == "too_large":  # a withdrawal may be in it
                log.warning(
                    "quarantined %s at %s/%d offset %d: a withdrawal may be in it",
                    *(code, *place),
                    extra=_fields("intake", place, code),
                )
            else:
                _refusals.tell(code, place, record.value, events)
    metrics.EVENTS.inc(len(piece.records))
    metrics.SPEAKING.heard(spoke, policy.sources)
    for reason, times in Counter(counts).items():
        metrics.IGNORED.labels(reason).inc(times)


def add_state(
    app: SliceApp, names: Names, folder: Folder, partitions: int, echo: Echo, stages: Stages | None = None
) -> None:
    """The agent that folds facts into the table and publishes what changed."""
    ledger = names.ledger
    table = app.Table(TABLE, partitions=partitions, changelog=names.state, sources=[ledger])
    lists, changes, quarantine = names.lists, names.changes, names.quarantine

    @app.agent(app.topic(ledger, schema=SliceSchema(), partitions=partitions), name="state")  # type: ignore[untyped-decorator]
    async def state(slices: Any) -> None:
        async for piece in slices:
            began = clock()
            async with table.unit(piece) as unit:
                facts, effects = _fold_slice(piece, unit, folder, echo, lists, ledger, changes, quarantine)
                folded = clock()
            if stages is not None:
                stages.state(piece, facts, effects, began, folded)


def _fold_slice(
    piece: Slice,
    unit: TableUnit,
    folder: Folder,
    echo: Echo,
    lists: dict[str, str],
    ledger: str,
    changes: str,
    quarantine: str,
) -> tuple[list[tuple[int, Fact]], Effects]:
    facts = []
    for record in piece.records:
        try:
            facts.append((record.offset, echo.decode(record.key, record.value or b"")))
        except WireError as exc:
            place = (piece.topic, piece.partition, record.offset)
            headers = error_headers(exc.code, "state", place, str(exc), (), record.headers)
            unit.emit(quarantine, record.key, record.value, headers=headers)
            metrics.QUARANTINED.labels(exc.code, "state").inc()
            log.error("quarantined %s at %s/%d offset %d", exc.code, *place, extra=_fields("state", place, exc.code))
    keys = list(dict.fromkeys(fact.key for _, fact in facts))
    effects = folder.fold(facts, zip(keys, unit.load(keys), strict=True))
    for key, row in effects.rows.items():
        unit.put(key, row)
    for channel, key, entry in effects.entries:
        unit.emit(lists[channel], key, entry, piece.partition)
    for key, change in effects.changes:
        unit.emit(changes, key, change)
    for key, fact in effects.derived:
        unit.emit(ledger, key, fact)
    for offset in effects.foreign:
        metrics.IGNORED.labels("other_tenant").inc()
        place = (piece.topic, piece.partition, offset)
        found = _fields("state", place, "other_tenant")
        log.error("ignored at %s/%d offset %d: another tenant's subject key", *place, extra=found)
    metrics.FACTS.inc(len(facts))
    metrics.CHANGED.inc(len(effects.rows))
    return facts, effects


def _fields(stage: str, place: tuple[str, int, int], code: str) -> dict[str, Any]:
    """What a line of the log says about a record, for programs. Not its id: a sender can write anything there."""
    return {"stage": stage, "code": code, **dict(zip(("topic", "partition", "offset"), place, strict=True))}
