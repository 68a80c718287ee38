"""The gate of mailers' tests and the real one behind a real worker, fed with the same events: the same answers."""

import time

import orjson
import pytest

from consent_stream import Gate
from consent_stream.testing import FakeGate
from tests.faults.deployment import KEYS, await_that, deployed
from tests.faults.population import POLICY

TENANT = "t1"
PEOPLE = ("ana", "ben", "cleo", "dan")
SOON = 30.0


def event(kind, name, number, **data):
    about = {"email": f"{name}@example.com", "contact": name, "channel": "email", "scope": "news"}
    return {
        "specversion": "1.0", "id": f"e-{number}", "source": "/forms", "type": f"{kind}.v1", "tenant": TENANT,
        "time": "2026-03-01T12:00:00Z", "data": {**about, **data},
    }  # fmt: skip


NOTICE = {"id": "n1", "version": 3}
EVENTS = [
    *(event("consent.granted", name, number, notice=NOTICE, evidence="E3") for number, name in enumerate(PEOPLE)),
    event("unsubscribe.oneclick", "ben", 10),
    event("delivery.bounced", "cleo", 11, status="5.1.1"),
    event("feedback.complaint", "cleo", 12),
    {**event("unsubscribe.global", "dan", 13), "data": {"contact": "dan"}},  # reaches the address by derivation
]


class Fake:
    """A fake gate as the real one's equal."""

    def __init__(self):
        import tomllib

        self.gate = FakeGate(policy=tomllib.loads(POLICY))
        self.publish, self.close = self.gate.publish, self.gate.close


class Real:
    """A gate on a real Kafka with a worker of its own."""

    def __init__(self, deployment):
        self._deployment = deployment
        self.gate = Gate(deployment.settings, keys=KEYS)
        self.close = self.gate.close

    def publish(self, event):
        (place,) = self._deployment.produce([orjson.dumps(event)])
        return place


@pytest.fixture(params=["fake", pytest.param("kafka", marks=pytest.mark.kafka)], scope="module")
def side(request, tmp_path_factory):
    if request.param == "fake":
        found = Fake()
        yield found
        found.close()
        return
    bootstrap = request.getfixturevalue("kafka")
    with deployed(bootstrap, tmp_path_factory.mktemp("contract"), f"contract-{time.time_ns()}-", POLICY) as deployment:
        deployment.worker("w1").start().await_ready()
        found = Real(deployment)
        yield found
        found.close()


def ask(gate, name, **about):
    return gate.check(**{"tenant": TENANT, "email": f"{name}@example.com", "scope": "news", **about})


@pytest.fixture(scope="module")
def gate(side):
    """Fed with `EVENTS`; each of them enforced."""
    assert side.gate.wait_ready(SOON)
    assert ask(side.gate, "ana").reasons == ("no_consent",)
    for each in EVENTS:
        receipt = side.publish(each)
        assert side.gate.wait_for(receipt, SOON)
    return side.gate


def test_reasons_facts_and_truth(gate):
    found = {name: ask(gate, name) for name in PEOPLE}
    assert {name: (bool(each), each.reasons, each.facts) for name, each in found.items()} == {
        "ana": (True, (), ("e-0",)),
        "ben": (False, ("unsubscribed",), ("e-10",)),
        "cleo": (False, ("complaint", "undeliverable"), ("e-12", "e-11")),
        "dan": (False, ("global_opt_out",), ("e-13",)),
    }
    assert all(each.version > 0 and 0 <= each.staleness < SOON for each in found.values())
    assert found["ana"].valid_until > found["ana"].applied_through
    assert found["ben"].valid_until == 0


@pytest.mark.parametrize(
    ("about", "reasons"),
    [
        ({"tenant": "nobody"}, ("no_consent",)),
        ({"scope": "offers"}, ("no_consent",)),
        ({"purpose": "transactional"}, ()),
        ({"purpose": "nonsense"}, ("unknown_purpose",)),
        ({"email": "none"}, ("bad_address",)),
        ({"contact": "dan"}, ("global_opt_out",)),
        ({"at": 0}, ("no_consent",)),
    ],
)
def test_questions_of_every_kind(gate, about, reasons):
    assert ask(gate, "ana", **about).reasons == reasons


def test_many_are_as_each(gate):
    questions = [{"tenant": TENANT, "email": f"{name}@example.com", "scope": "news"} for name in PEOPLE]
    many = [(each.allow, each.reasons, each.facts) for each in gate.check_many(questions)]
    each = [(one.allow, one.reasons, one.facts) for one in (ask(gate, name) for name in PEOPLE)]
    assert many == each


def test_wrong_questions_are_refused(gate):
    with pytest.raises(ValueError, match="exactly one"):
        gate.check(tenant=TENANT)
    with pytest.raises(ValueError, match="knows no such"):
        gate.check(tenant=TENANT, phone="+12015550123")
    with pytest.raises(ValueError, match="receipt"):
        gate.wait_for("such", 0)
    with pytest.raises(ValueError, match="message_id"):
        gate.sending(tenant=TENANT, email="ana@example.com", message_id="ana@example.com")


def test_permits(gate):
    with gate.sending(tenant=TENANT, email="ana@example.com", scope="news", message_id="m-1") as permit:
        assert permit
        assert permit.ensure()
    assert not permit, "after its block"
    with gate.sending(tenant=TENANT, email="ben@example.com", scope="news", message_id="m-2") as permit:
        assert not permit
        assert permit.verdict.reasons == ("unsubscribed",)


def test_status(gate):
    status = gate.status()
    assert (status.list.endswith("suppression.email"), status.phase, status.ready) == (True, "following", True)
    assert (status.trouble, status.silent, status.alarms) == (None, (), {})
    assert status.entries == len(PEOPLE) + 1, "each address, and the one contact that a no was given under"
    await_that("it is fresh", lambda: gate.status().settled_staleness < 10, SOON)


def test_what_is_not_accepted_yet_is_not_waited_for_in_vain(gate):
    assert not gate.wait_for((0, 1 << 40), 0.2)


def test_closed_is_the_end(side, gate):
    side.close()
    assert ask(gate, "ana").reasons == ("not_ready",)
    assert not gate.wait_ready(0.1)
    assert gate.status().phase == "closed"
    side.close()
