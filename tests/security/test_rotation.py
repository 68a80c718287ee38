"""A root key is rotated: gates first, then the worker, over a secured link; no "no" is lost."""

from __future__ import annotations

import json
import shutil

import pytest

from consent_stream.gate import Gate
from consent_stream.keyfile import load_keys, new_keys
from consent_stream.settings import Settings
from consent_stream.wire.keys import Keyring
from tests.faults.deployment import Worker
from tests.faults.population import POLICY
from tests.kafka.test_product import event, granted
from tests.security.secured import Ran, run

pytestmark = pytest.mark.kafka
PREFIX = "rotate-"


def reasons(gate, email=None, **more):
    return gate.check(tenant="t1", email=email, scope="news", **more).reasons


def test_a_no_outlives_the_key_it_was_told_under(broker, tmp_path):
    workers, old, new = tmp_path / "worker.toml", tmp_path / "old.toml", tmp_path / "new.toml"
    new_keys(workers)
    shutil.copy(workers, old)  # what a gate has that was forgotten
    (tmp_path / "policy.toml").write_text(POLICY)
    broker.grant(PREFIX)

    def environment(user, keys, **more):
        files = {"policy": tmp_path / "policy.toml", "keys": keys, "topic_prefix": PREFIX}
        return broker.environment(user, **files, data_dir=tmp_path / "data", **more)

    def publish(*lines):
        sent = run(environment("edge", workers), "publish", "-", "--json", given=b"\n".join(lines))
        assert sent.code == 0, sent
        receipts = [json.loads(line) for line in sent.out.splitlines()]
        return [(each["partition"], each["offset"]) for each in receipts]

    def gate_with(keys):
        return Gate(Settings.read({}, environment("gate", keys)))

    def reach(gate, receipts):
        assert gate.wait_ready(60), gate.status()
        for receipt in receipts:
            assert gate.wait_for(receipt, 60), gate.status()

    assert run(environment("admin", workers), "topics", "apply", "--partitions", "2").code == 0
    worker = Worker(environment("worker", workers), tmp_path, "worker", ["--worker-id", "w1"])
    try:
        worker.start().await_ready(60)
        told = publish(
            granted("g1", "ana@example.com"), granted("g2", "ben@example.com"),
            event("unsubscribe.oneclick", "u1", "ben@example.com"),
        )  # fmt: skip
        with gate_with(old) as gate:
            reach(gate, told)
            assert gate.check(tenant="t1", email="ana@example.com", scope="news")
            under_0 = Keyring(load_keys(workers).keys).subject("t1", "email", "ana@example.com").hex()
            assert gate.check(tenant="t1", key=under_0, scope="news")

        # Gates first: the same file, with one more key. Everything is answered as before.
        shutil.copy(workers, new)
        assert run(environment("gate", new), "keys", "rotate", str(new)).code == 0
        with gate_with(new) as gate:
            reach(gate, told)
            assert gate.check(tenant="t1", email="ana@example.com", scope="news")
            assert "unsubscribed" in reasons(gate, "ben@example.com")
            # By a key, while two are live: its address is unknown, and a "no" may stand under the other.
            assert reasons(gate, key=under_0) == ("unknown_tenant_key",)

        # Then the worker.
        assert worker.stop() == 0
        shutil.copy(new, workers)
        worker.start().await_ready(60)
        told = publish(
            event("unsubscribe.oneclick", "u2", "ana@example.com"), granted("g3", "cleo@example.com"),
            granted("g4", "ben@example.com"),
        )  # fmt: skip
        with gate_with(new) as gate:
            reach(gate, told)
            assert "unsubscribed" in reasons(gate, "ana@example.com")
            assert gate.check(tenant="t1", email="cleo@example.com", scope="news")
            assert "unsubscribed" in reasons(gate, "ben@example.com")  # under key 0, and no new grant takes it back
        with gate_with(old) as gate:  # nobody may be answered for by a gate that lacks a key in use
            assert not gate.wait_ready(3) or "unknown_tenant_key" in reasons(gate, "cleo@example.com")
            assert not gate.check(tenant="t1", email="cleo@example.com", scope="news")

        # A mailer of this tenant alone, with keys cut down to it.
        mine = tmp_path / "t1.toml"
        ran = run({}, "keys", "derive", str(new), "--tenant", "t1", "--out", str(mine))
        assert ran.code == 0, ran
        assert run(environment("gate", mine), "keys", "check", str(mine)).code == 0
        assert run(environment("gate", old), "keys", "check", str(old)).code == 1
        with gate_with(mine) as gate:
            reach(gate, told)
            assert gate.check(tenant="t1", email="cleo@example.com", scope="news")
            assert "unsubscribed" in reasons(gate, "ana@example.com")
            other = gate.check(tenant="t2", email="cleo@example.com", scope="news")
            assert other.reasons == ("unknown_tenant_key",)
    finally:
        worker.close()
    Ran.every.append(worker.log)
    written = "".join(Ran.every)
    for key in load_keys(new).keys.values():
        assert key.hex() not in written
    for line in new.read_text().splitlines():
        if line.endswith('"'):
            assert line.split('"')[1] not in written
