"""A gate on a broker: the same behaviour on the embedded and on a real one, in memory and in a file."""

import time
from itertools import permutations
from pathlib import Path

import pytest

from consent_stream import Gate
from consent_stream.domain.policy import read_policy
from tests.contract.gate.awaited import Awaited
from tests.contract.gate.following import following
from tests.contract.gate.worker import Worker
from tests.gate.made import ANA, ANAS, RING, entry, grant, now, restriction

SOON = 10.0  # seconds that nothing here should need; brokers of other tests may keep the machine busy
COMPACT = {"cleanup.policy": "compact"}


@pytest.fixture(params=["embedded", pytest.param("kafka", marks=pytest.mark.kafka)])
def bootstrap(request):
    return request.getfixturevalue(request.param)


@pytest.fixture
def worker(bootstrap, prefix, make_topics):
    found = Worker(bootstrap, prefix)
    make_topics(bootstrap, {found.list: COMPACT, found.control: COMPACT})
    return found


@pytest.fixture(params=["memory", "lmdb", "reader", "async"])
def store(request, worker, tmp_path):
    """In memory, in a file that the gate follows into, or in one that another process does; or an `AsyncGate`."""
    if request.param == "async":
        yield AWAITED
        return
    if request.param != "reader":
        yield None if request.param == "memory" else tmp_path / "replica"
        return
    with following(worker, tmp_path / "replica"):
        yield Followed(tmp_path / "replica")


AWAITED = "of an asyncio loop"


class Followed(type(Path())):
    """A store that a gate only reads."""


@pytest.fixture
def gate(worker, store):
    with gate_of(worker, store) as found:
        yield found


def gate_of(worker, store=None, **over):
    if store == AWAITED:
        return Awaited(bootstrap=worker.bootstrap, topic_prefix=worker.prefix, keys=RING, **over)
    if isinstance(store, Followed):
        return Gate(topic_prefix=worker.prefix, keys=RING, store=store, follow=False, **over)
    return Gate(bootstrap=worker.bootstrap, topic_prefix=worker.prefix, keys=RING, store=store, **over)


def ask(gate, **about):
    return gate.check(tenant="acme", **{"email": ANA, "scope": "news", **about})


def until(reached, seconds=SOON):
    """Wait for what another process does; False when it does not."""
    deadline = time.monotonic() + seconds
    while not (found := reached()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return found


def test_t36_it_denies_until_everything_is_there_and_then_answers(worker, gate):
    assert ask(gate).reasons == ("not_ready",)
    worker.write((ANAS, entry(grant(), version=4)))
    assert not gate.wait_ready(0.3)
    assert ask(gate).reasons == ("not_ready",)
    worker.start()
    assert until(lambda: ask(gate).reasons == ("stale",))
    worker.beat()
    assert gate.wait_ready(SOON)
    verdict = ask(gate)
    assert verdict
    assert (verdict.version, verdict.facts) == (4, ("g1",))
    assert verdict.staleness < SOON
    assert verdict.valid_until > now() - SOON * 1e6


def test_a_list_that_was_there_before_is_read_whole(worker, store):
    others = [(RING.subject("acme", "email", f"p{n}@example.com"), entry(grant(ident=f"g{n}"))) for n in range(3000)]
    worker.start()
    worker.write(*others)
    worker.beat()
    with gate_of(worker, store) as gate:
        assert gate.wait_ready(SOON)
        assert gate.status().entries == 3000
        questions = [{"tenant": "acme", "email": f"p{n}@example.com", "scope": "news"} for n in range(3001)]
        answers = gate.check_many(questions)
        assert [verdict.facts for verdict in answers[:-1]] == [(f"g{n}",) for n in range(3000)]
        assert answers[-1].reasons == ("no_consent",)


def test_the_greater_version_wins_in_any_order(worker, gate):
    worker.start()
    orders = list(permutations((1, 2, 3)))
    for number, order in enumerate(orders):
        key = RING.subject("acme", "email", f"p{number}@example.com")
        for version in order:
            parts = [grant()] if version < 3 else [grant(), restriction()]
            worker.write((key, entry(*parts, version=version)))
    worker.beat()
    assert gate.wait_ready(SOON)
    for number in range(len(orders)):
        assert ask(gate, email=f"p{number}@example.com").reasons == ("unsubscribed",)


def test_a_null_value_never_allows_and_raises_an_alarm(worker, gate):
    worker.start({"acme": {"basis": {"marketing": "legitimate_interest"}}})
    with worker.beating():
        assert gate.wait_ready(SOON)
        assert ask(gate).allow
        worker.write((ANAS, None))
        assert until(lambda: not ask(gate))
        assert ask(gate).reasons == ("not_ready",)
        assert ask(gate, email="other@example.com").allow
        assert gate.status().alarms == {"null_value": 1}
        worker.write((ANAS, entry(version=2)))
        assert until(lambda: ask(gate))


def test_a_withdrawal_reaches_the_gate(worker, gate):
    worker.start()
    with worker.beating():
        worker.write((ANAS, entry(grant(), version=1)))
        assert gate.wait_ready(SOON)
        assert until(lambda: ask(gate))
        worker.write((ANAS, entry(grant(), restriction(), version=2)))
        assert until(lambda: not ask(gate))
        assert ask(gate).reasons == ("unsubscribed",)


def test_a_partition_without_heartbeats_keeps_everything_stale(worker, gate):
    worker.start()
    worker.write((ANAS, entry(grant())))
    with worker.beating(partitions=(0, 1, 3)):
        assert not gate.wait_ready(0.5)
        assert until(lambda: ask(gate).reasons == ("stale",))
        assert until(lambda: gate.status().silent == (2,))
        with worker.beating(partitions=(2,)):
            assert gate.wait_ready(SOON)
            assert ask(gate)


def test_it_grows_stale_when_heartbeats_stop_and_recovers_when_they_come_again(worker, store):
    worker.start()
    worker.write((ANAS, entry(grant())))
    with gate_of(worker, store, staleness_limit=0.5) as gate:
        with worker.beating():
            assert gate.wait_ready(SOON)
            assert ask(gate)
        assert until(lambda: ask(gate).reasons == ("stale",))
        assert ask(gate, purpose="transactional").reasons == ("stale",)
        assert ask(gate).staleness > 0.5
        with worker.beating():
            assert until(lambda: ask(gate))


def test_a_receipt_is_enforced_when_every_partition_says_so(worker, gate):
    worker.start()
    worker.beat(partitions=(0, 1, 2), offset=8)
    worker.beat(partitions=(3,), offset=5)
    assert gate.wait_for("2:4", SOON)
    assert not gate.wait_for((2, 5), 0.3)
    assert not gate.wait_for((9, 0), 0.1)
    worker.beat(partitions=(3,), offset=6)
    assert gate.wait_for((2, 5), timeout=SOON)


def test_waiting_for_a_receipt_needs_neither_keys_nor_policy(worker):
    worker.beat(offset=1)
    with Gate(bootstrap=worker.bootstrap, topic_prefix=worker.prefix) as gate:
        assert gate.wait_for((0, 0), SOON)
        assert ask(gate).reasons == ("not_ready", "unknown_tenant_key")


def test_a_policy_of_ones_own_needs_no_control_record(worker):
    worker.beat()
    worker.write((ANAS, entry(grant(level=2))))
    policy = read_policy({"tenants": {"acme": {"min_evidence": "E3"}}})
    with gate_of(worker, policy=policy) as strict:
        assert strict.wait_ready(SOON)
        assert ask(strict).reasons == ("evidence_too_low",)


def test_a_change_of_policy_is_obeyed(worker, gate):
    worker.start()
    worker.write((ANAS, entry(grant(level=2))))
    with worker.beating():
        assert gate.wait_ready(SOON)
        assert ask(gate)
        worker.start({"acme": {"min_evidence": "E3"}})
        assert until(lambda: ask(gate).reasons == ("evidence_too_low",))


def test_a_closed_gate_answers_not_ready(worker, store):
    worker.start()
    worker.write((ANAS, entry(grant())))
    worker.beat()
    with gate_of(worker, store) as gate:
        assert gate.wait_ready(SOON)
    assert ask(gate).reasons == ("not_ready",)
    assert ask(gate, purpose="transactional").reasons == ("not_ready",)
    assert not gate.wait_ready(0.1)
    gate.close()


def test_a_file_is_continued_by_the_next_gate(worker, tmp_path):
    worker.start()
    worker.write((ANAS, entry(grant(), version=1)))
    worker.beat()
    for version, allowed in ((2, False), (3, True)):
        with gate_of(worker, tmp_path / "replica") as gate:
            assert gate.wait_ready(SOON)
            assert ask(gate).allow is not allowed
        parts = [grant()] if allowed else [grant(), restriction()]
        worker.write((ANAS, entry(*parts, version=version)))
        worker.beat()
    with gate_of(worker, tmp_path / "replica") as gate:
        assert gate.wait_ready(SOON)
        assert ask(gate).version == 3


def test_a_kill_switch_is_obeyed_until_it_is_off(worker, gate):
    worker.start()
    worker.write((ANAS, entry(grant())))
    with worker.beating():
        assert gate.wait_ready(SOON)
        assert ask(gate)
        worker.switch(on=True)
        assert until(lambda: ask(gate).reasons == ("stopped",))
        worker.switch(on=False)
        assert until(lambda: ask(gate))
        time.sleep(0.7)  # the proof that the switches are read grows no older than two questions to the broker
        assert ask(gate).staleness < 2
