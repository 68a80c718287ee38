"""The gate of mailers' tests: the law as data holds for it, and its short forms do what they say."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import orjson
import pytest

from consent_stream.gate import Gate, Verdict
from consent_stream.scenario import read_scenarios
from consent_stream.testing import FakeGate, Refused
from consent_stream.testing.people import DEEDS
from consent_stream.wire.send import decode_send, encode_send

ROOT = Path(__file__).parents[2]
SCENARIOS = sorted((ROOT / "tests" / "scenarios").glob("*.json"))
ANA = {"tenant": "acme", "email": "ana@example.com", "scope": "news"}


@pytest.fixture
def gate():
    with FakeGate() as found:
        yield found


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_it_answers_as_the_law_says(path):
    for scenario in read_scenarios(path):
        gates = {channel: FakeGate(channel=channel, policy=scenario.policy_table) for channel in ("email", "sms")}
        gates["sharing"] = FakeGate(channel="sharing", policy=scenario.policy_table)
        for gate in gates.values():
            refused = {arrival.id for arrival in scenario.arrivals if not taken(gate, arrival)}
            assert refused == set(scenario.quarantined)
        for asked in scenario.expect:
            gate = gates["sharing" if asked.purpose in ("sharing", "profiling") else asked.channel]
            about = {"email" if asked.channel == "email" else "phone": asked.address}
            more = {"contact": asked.contact, "region": asked.region, "purpose": asked.purpose, "scope": asked.scope}
            verdict = gate.check(tenant=asked.tenant, **about, **more, at=asked.at)
            assert (verdict.allow, verdict.reasons) == (asked.allow, asked.reasons), f"{scenario.name}: {asked}"


def taken(gate, arrival):
    try:
        gate.publish(orjson.loads(arrival.value), received=arrival.received)
    except Refused:
        return False
    return True


def test_it_starts_ready_and_without_anybodys_consent(gate):
    assert isinstance(gate, Gate)
    assert gate.wait_ready(60)
    assert gate.check(**ANA).reasons == ("no_consent",)
    assert not gate.check(**ANA)


def test_a_gate_that_is_loading_denies_until_it_recovers():
    gate = FakeGate(ready=False)
    receipt = gate.allow(**ANA)
    assert gate.check(**ANA).reasons == ("not_ready",)
    assert not gate.wait_ready(60)
    assert not gate.wait_for(receipt, 60)
    gate.recover()
    assert gate.wait_ready(60)
    assert gate.check(**ANA)


def test_yes_no_and_yes_again(gate):
    for allowed in (True, False, True, False):
        receipt = gate.allow(**ANA) if allowed else gate.withdraw(**ANA)
        assert gate.wait_for(receipt, 0)
        assert gate.check(**ANA).allow is allowed
    assert gate.check(**ANA).reasons == ("unsubscribed",)
    assert gate.check(**{**ANA, "tenant": "globex"}).reasons == ("no_consent",)


@pytest.mark.parametrize("reason", DEEDS)
def test_every_reason_that_an_event_makes_can_be_had(reason):
    sms = reason in ("sms_stop", "reassigned")
    sharing = reason == "sharing_opt_out"
    gate = FakeGate(channel="sms" if sms else "sharing" if sharing else "email")
    person = {"tenant": "acme", "scope": "news", **({"phone": "+12015550123"} if sms else {"email": ANA["email"]})}
    gate.deny(**person, reasons=(reason,))
    verdict = gate.check(**person, purpose="sharing" if sharing else "marketing")
    assert not verdict
    assert reason in verdict.reasons
    assert set(verdict.reasons) <= {reason, "no_consent"}


@pytest.mark.parametrize("reasons", [("stale",), ("no_consent",), ("unsubscribed", "such"), (), "unsubscribed"])
def test_a_reason_that_no_event_makes_is_refused_before_anything_happens(gate, reasons):
    with pytest.raises(ValueError, match="deny"):
        gate.deny(**ANA, reasons=reasons)
    assert gate.status().entries == 0


def test_it_grows_stale_and_what_happened_meanwhile_counts_afterwards(gate):
    gate.allow(**ANA)
    gate.grow_stale()
    assert gate.check(**ANA).reasons == ("stale",)
    assert gate.check(**ANA).staleness > 10
    assert not gate.status().ready
    receipt = gate.withdraw(**ANA)
    assert not gate.wait_for(receipt, 60)
    gate.recover()
    assert gate.wait_for(receipt, 0)
    assert gate.check(**ANA).reasons == ("unsubscribed",)


def test_a_kill_switch_stops_what_it_covers(gate):
    gate.allow(**ANA)
    gate.stop(tenant="globex")
    gate.stop(channel="sms")
    assert gate.check(**ANA)
    gate.stop()
    assert gate.check(**ANA).reasons == ("stopped",)
    gate.resume(tenant="acme")  # another switch than the one that is on
    assert not gate.check(**ANA)
    gate.resume()
    assert gate.check(**ANA)


def test_a_send_is_recorded_as_consent_sends_has_it(gate):
    gate.allow(**ANA)
    with gate.sending(**ANA, message_id="m-1") as permit:
        assert permit.ensure()
    with gate.sending(**ANA, message_id="m-2") as permit:
        assert permit
        gate.withdraw(**ANA)
        assert not permit.ensure()
    assert [(send.message_id, send.outcome, send.reasons) for send in gate.sends] == [
        ("m-1", "handed_over", ()),
        ("m-2", "held_back", ("unsubscribed",)),
    ]
    assert [decode_send(encode_send(send)) for send in gate.sends] == gate.sends


def test_a_permit_that_is_held_too_long_is_no_longer_one(gate):
    gate.allow(**ANA)
    with gate.sending(**ANA, message_id="m-1") as permit:
        assert permit
        gate.grow_stale()
        assert not permit
    assert gate.sends[0].reasons == ("stale",)


def test_consent_lapses_when_time_passes(gate):
    gate.allow(**ANA)
    gate.pass_time(729 * 86_400)
    assert gate.check(**ANA)
    gate.pass_time(3 * 86_400)
    assert gate.check(**ANA).reasons == ("expired",)


def test_an_event_that_a_worker_would_put_aside_is_refused_aloud(gate):
    event = {"specversion": "1.0", "id": "e1", "source": "/unknown", "type": "consent.granted.v1", "tenant": "acme"}
    with pytest.raises(Refused, match="unknown_source") as refused:
        gate.publish({**event, "time": "2026-03-01T00:00:00Z", "data": {"email": ANA["email"], "scope": "news"}})
    assert ANA["email"] not in str(refused.value)
    assert gate.check(**ANA).reasons == ("no_consent",)


def test_it_obeys_the_mailers_own_policy():
    policy = tomllib.loads((ROOT / "deploy" / "policy.toml").read_text())
    gate = FakeGate(policy=policy)
    gate.allow(**ANA, evidence="E0")
    assert gate.check(**ANA).reasons == ("evidence_too_low",)
    with pytest.raises(ValueError, match="no tenant 'acne'"):
        gate.allow(**{**ANA, "tenant": "acne"})


def test_check_many_and_sift_are_there_too(gate):
    gate.allow(**ANA)
    other = {**ANA, "email": "ben@example.com"}
    assert [bool(each) for each in gate.check_many([ANA, other])] == [True, False]
    sifted = gate.sift(tenant="acme", emails=[ANA["email"], other["email"]], scope="news")
    assert sifted is not None


def test_a_closed_gate_answers_not_ready(gate):
    gate.allow(**ANA)
    gate.close()
    assert gate.check(**ANA).reasons == ("not_ready",)
    assert not gate.wait_ready(60)
    gate.close()
    assert isinstance(gate.check(**ANA), Verdict)


@pytest.mark.parametrize(("name", "value"), [("channel", "fax"), ("staleness_limit", 0)])
def test_wrong_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        FakeGate(**{name: value})


A_MAILERS_TEST = """
def test_nothing_is_sent_to_who_said_no(fake_gate):
    fake_gate.withdraw(tenant="acme", email="ana@example.com", scope="news")
    assert "unsubscribed" in fake_gate.check(tenant="acme", email="ana@example.com", scope="news").reasons

def test_the_next_test_has_a_gate_of_its_own(fake_gate):
    assert fake_gate.status().entries == 0
    assert fake_gate.sends == []
"""


def test_a_mailers_suite_needs_no_conftest(tmp_path):
    (tmp_path / "test_mailer.py").write_text(A_MAILERS_TEST)
    plugin = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    # Told by name and not found: the same whether this tree was installed before or after the plugin came.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin["consent-stream"], str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout


def test_the_plugin_costs_no_test_run_anything():
    script = "import sys, json, consent_stream.testing.plugin; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "consent_stream.testing.plugin" in loaded
    assert not loaded & {"confluent_kafka", "lmdb", "faust", "fastavro", "phonenumbers", "consent_stream.gate"}


def test_a_fake_gate_needs_neither_faust_nor_rocksdb():
    script = "import sys, consent_stream.testing as t; t.FakeGate(); print([n for n in ('faust', 'rocksdict') if n in sys.modules])"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
