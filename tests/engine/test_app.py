"""How an app is put together: entry points, declarations, settings that must not drift."""

import asyncio
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace

import faust
import pytest
from faust.stores import by_url as store_by_url
from faust.transport import by_url as transport_by_url
from faust.types import TP
from yarl import URL

from consent_stream.engine import EngineError, PlainKafka, SliceApp, SliceSchema
from consent_stream.engine import app as app_module
from consent_stream.engine.partition import Meta
from consent_stream.engine.starts import SourceState
from consent_stream.engine.table import SliceStore
from consent_stream.engine.transport import Transport


def build(tmp_path: Path, **options: object) -> SliceApp:
    return SliceApp("group", kafka=PlainKafka("127.0.0.1:1,127.0.0.1:2"), datadir=tmp_path / "a" / "b", **options)


def test_the_url_scheme_selects_transport_and_store() -> None:
    assert transport_by_url("slices://x") is Transport
    assert store_by_url("slices://x") is SliceStore
    names = {(entry.group, entry.name) for entry in entry_points().select(name="slices")}
    assert names == {("faust.transports", "slices"), ("faust.stores", "slices")}


def test_the_app_s_settings(tmp_path: Path) -> None:
    app = build(tmp_path, worker_id="w-1")
    assert [str(url) for url in app.conf.broker_consumer] == ["slices://127.0.0.1:1", "slices://127.0.0.1:2"]
    assert app.conf.consumer_group_instance_id == "w-1"
    assert app.conf.web_enabled is False, "Faust's web server binds all interfaces"
    assert app.conf.processing_guarantee.value == "at_least_once"
    assert app.conf.table_standby_replicas == 0
    assert app.fence is True
    assert not (tmp_path / "a").exists(), "making an app touches no disk"


def test_a_store_url_needs_a_host(tmp_path: Path) -> None:
    """Trap: bool(URL("slices://")) is False and the table would silently live in memory."""
    assert not URL("slices://")
    assert build(tmp_path).conf.store


def test_a_table_is_declared_to_faust_and_written_by_slices(tmp_path: Path) -> None:
    app = build(tmp_path)
    table = app.Table("state", partitions=8, changelog="p-consent.state", sources=["p-ledger"])
    assert table.changelog == "p-consent.state"
    assert app.tables.changelog_topics == {"p-consent.state"}
    assert isinstance(table.data, SliceStore)
    assert dict(table.data.items()) == {}
    for write in (lambda: table.data._set(b"k", b"v"), lambda: table.data._del(b"k"), table.data._clear):
        with pytest.raises(EngineError, match=r"through table\.unit"):
            write()
    with pytest.raises(EngineError, match="not assigned here"):
        table.partition(3)


def test_two_agents_on_one_topic_are_refused(tmp_path: Path) -> None:
    """One message in two queues would be acknowledged by whichever agent came first."""
    app = build(tmp_path)

    async def one(stream: faust.Stream) -> None: ...

    async def two(stream: faust.Stream) -> None: ...

    app.agent(app.topic("t", schema=SliceSchema()))(one)
    assert app.source_topics() == ["t"]
    app.agent(app.topic("t", schema=SliceSchema()))(two)
    with pytest.raises(EngineError, match="two agents read t"):
        app.source_topics()


def test_positions_are_empty_before_the_first_assignment(tmp_path: Path) -> None:
    assert build(tmp_path).positions() == {}


def test_producers_are_warm_before_the_first_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: a new idempotent producer asks for its id, finds no broker connected yet, and tries again 500 ms later."""
    warmed: list[list[str]] = []

    async def yes(*_: object) -> bool:
        return True

    monkeypatch.setattr(app_module, "wait_for_kafka", yes)
    monkeypatch.setattr(app_module, "check_topics", yes)
    monkeypatch.setattr(app_module, "Outbox", lambda kafka: SimpleNamespace(warm=warmed.append))
    app = build(tmp_path, outputs=["mid"], lanes=2)
    app.Table("state", partitions=2, changelog="c", sources=["mid"])
    for topic in ("src", "mid"):

        async def body(stream: faust.Stream) -> None: ...

        app.agent(app.topic(topic, schema=SliceSchema()), name=topic)(body)
    asyncio.run(app.on_first_start())
    assert set(app._outboxes) == {("src", 0), ("src", 1)}, "a table's stage has producers of its own"
    assert warmed == [["mid"], ["mid"]]


class Part:
    """A partition's number and claims, without a disk."""

    def __init__(self, number: int, meta: Meta | None) -> None:
        self.number, self.meta = number, meta

    def write(self, rows: object, meta: Meta) -> None:
        self.meta = meta


def meta(sources: dict[str, tuple[str, int]], rewind: tuple[str, ...] = ()) -> Meta:
    return Meta("c", "t", 0, 0, sources, list(rewind))


def test_what_the_stores_say_about_their_sources(tmp_path: Path) -> None:
    app = build(tmp_path)
    one = app.Table("one", partitions=2, changelog="c1", sources=["src"])
    two = app.Table("two", partitions=2, changelog="c2", sources=["src"])
    one.topic_ids = two.topic_ids = {"src": "id"}
    one.parts = {0: Part(0, meta({"src": ("id", 9)})), 1: Part(1, meta({"src": ("id", 9)}))}
    two.parts = {0: Part(0, meta({"src": ("id", 5)})), 1: Part(1, meta({}))}
    assert app.tables.source_states() == {
        TP("src", 0): SourceState(5),  # the slower of the two
        TP("src", 1): SourceState(None),  # unknown to one is unknown
    }
    two.parts[1].meta = meta({}, ("src",))
    assert app.tables.source_states()[TP("src", 1)] == SourceState(None, rewind=True)


def test_a_source_made_anew_is_read_from_its_beginning(tmp_path: Path) -> None:
    table = build(tmp_path).Table("one", partitions=1, changelog="c1", sources=["src"])
    table.topic_ids = {"src": "new id"}
    table.parts = {0: Part(0, meta({"src": ("old id", 900)}))}
    assert table.source_states() == {TP("src", 0): SourceState(None, rewind=True)}
    table.rewound()
    assert table.source_states() == {TP("src", 0): SourceState(None)}, "once"
