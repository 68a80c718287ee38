"""Recovery: what ends it, what does not, and how a changelog is read."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from faust.tables.recovery import RebalanceAgain, ServiceStopped
from mode import Service

from consent_stream.engine import recovery as module
from consent_stream.engine import restore
from consent_stream.engine.partition import Meta
from consent_stream.engine.recovery import SliceRecovery, SliceTableManager


class StopHereError(Exception):
    """Stands in for the end of the process."""


def recovering(raises: list[BaseException], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Run the recovery task over rounds that raise, until it returns; says which generations it saw."""
    seen: list[int] = []

    def stop(why: object) -> None:
        raise StopHereError(str(why))

    async def go() -> None:
        service = object.__new__(SliceRecovery)
        service._stopped, service._crashed = asyncio.Event(), asyncio.Event()
        service._signal_recovery_start = asyncio.Event()
        service._signal_recovery_start.set()

        async def wait_for_stopped(signal: asyncio.Event) -> bool:
            return not raises

        async def recover(generation: int) -> None:
            seen.append(generation)
            raise raises.pop(0)

        service.wait_for_stopped, service._recover, service._generation_id = wait_for_stopped, recover, 7
        await SliceRecovery._restart_recovery.fun(service)

    monkeypatch.setattr(module, "fail_stop", stop)
    asyncio.run(go())
    return seen


def test_another_rebalance_starts_over(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recovering([RebalanceAgain(), RebalanceAgain()], monkeypatch) == [7, 7]


def test_a_timeout_is_a_fault_and_not_a_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trap: mode reports a timeout as "stopped"; Faust's loop then ends in silence, and the worker lives on unready."""
    with pytest.raises(StopHereError, match="timed out"):
        recovering([ServiceStopped()], monkeypatch)


def test_any_other_error_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StopHereError, match="broken"):
        recovering([RuntimeError("broken")], monkeypatch)


def test_the_table_manager_starts_without_a_sleep() -> None:
    """Trap: Faust's sleeps a second at every start."""
    done: list[str] = []

    async def note(what: str) -> None:
        done.append(what)

    async def go() -> None:
        manager = object.__new__(SliceTableManager)
        manager._stopped, manager._crashed = asyncio.Event(), asyncio.Event()
        manager.sleep = pytest.fail
        manager._update_channels = lambda: note("channels")
        manager._recovery = SimpleNamespace(start=lambda: note("recovery"))
        await manager.on_start()

    asyncio.run(go())
    assert done == ["channels", "recovery"]


class Message:
    """A changelog record, or an event when `code` is given."""

    def __init__(self, offset: int, key: bytes = b"", value: bytes | None = None, code: int | None = None) -> None:
        self.at, self.k, self.v, self.code = offset, key, value, code

    def error(self) -> KafkaError | None:
        return KafkaError(self.code) if self.code is not None else None

    def offset(self) -> int:
        return self.at

    def partition(self) -> int:
        return 0

    def key(self) -> bytes:
        return self.k

    def value(self) -> bytes | None:
        return self.v


class Store:
    """Notes what is loaded and what is settled."""

    def __init__(self) -> None:
        self.meta = Meta("c", "t", 3, 0)
        self.loaded = 0
        self.settled: list[int] = []

    def load(self, rows: Any) -> None:
        self.loaded += rows.len()

    def settle(self, meta: Meta) -> None:
        self.settled.append(meta.changelog)


def read(monkeypatch: pytest.MonkeyPatch, batches: list[list[Message]], end: int, stop: bool = False) -> Any:
    waits: list[float] = []
    batches = list(batches)

    def consume(count: int, timeout: float) -> list[Message]:
        waits.append(timeout)
        return batches.pop(0)

    fake = SimpleNamespace(assign=lambda tps: None, consume=consume, close=lambda: None)
    monkeypatch.setattr(restore, "Consumer", lambda *_, **__: fake)
    part = Store()
    kafka = SimpleNamespace(consumer=lambda **over: over)
    table = SimpleNamespace(parts={0: part}, name="s", changelog="t", app=SimpleNamespace(kafka=kafka))
    count = restore._read(table, 0, 3, end, SimpleNamespace(is_set=lambda: stop))
    return count, part, waits


def test_a_changelog_is_read_to_its_end_past_markers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last offsets are a transaction's marker: only the end-of-partition event tells of it. Tombstones delete.

    Trap: `Consumer.consume(n, timeout)` waits the whole timeout for the last, smaller batch.
    """
    batches = [[Message(3, b"a", b"1"), Message(4, b"a", None)], [], [Message(9, code=KafkaError._PARTITION_EOF)]]
    count, part, waits = read(monkeypatch, batches, end=9)
    assert (part.loaded, part.settled, count) == (2, [9], 3)
    assert max(waits) <= 0.05


def test_a_stopped_restore_settles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    _, part, _ = read(monkeypatch, [], end=9, stop=True)
    assert part.settled == []


def test_an_error_in_the_changelog_is_not_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KafkaException):
        read(monkeypatch, [[Message(3, code=KafkaError._ALL_BROKERS_DOWN)]], end=9)


def test_a_timeout_of_mode_says_stopped() -> None:
    """The trap that makes `ServiceStopped` without a stop a fault: recovery would end in silence."""

    async def go() -> None:
        assert (await Service.wait_first(_Idle(), asyncio.sleep(5), timeout=0.01)).stopped

    class _Idle(Service):
        pass

    asyncio.run(go())
