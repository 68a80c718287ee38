"""What is predicted comes true: flips told of a policy are those of lists that are made by it, key by key."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from consent_stream import Gate
from consent_stream.control import publish_control
from consent_stream.dev.leash import leashed
from consent_stream.domain.facts import CHANNEL_MASK
from consent_stream.domain.registers import Registers
from consent_stream.wire.control import Active, encode_active
from consent_stream.wire.state import decode_registers
from consent_stream.wire.topics import EVENTS, STATE
from tests.faults.deployment import Deployment, Worker, deployed
from tests.faults.population import POLICY, events

pytestmark = pytest.mark.kafka
PURPOSES = ("marketing", "sharing", "profiling", "transactional")
STRICTER = 'sms_program = "alerts"\n'  # every tenant of the population
OTHERWISE = 'min_evidence = "E3"\nunsubscribe_scope = "channel"\nbasis = { profiling = "legitimate_interest" }\n'
FORMS = '[sources."/forms"]\nclock = "ours"\nmax_evidence = '
CRM = '[sources."/crm"]\nclock = "dated"\nmax_evidence = '
NEW = (
    POLICY.replace(STRICTER, STRICTER + OTHERWISE, 10)
    .replace(FORMS + '"E4"', FORMS + '"E2"')
    .replace(CRM + '"E1"', CRM + '"E3"')
)  # fmt: skip
Asked = tuple[str, str, str, str]  # key in hex, channel, purpose, scope


def what_if(deployment: Deployment, policy: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    path = deployment.folder / "new.toml"
    path.write_text(policy)
    done = run(deployment, "--policy", str(path), "--json", *arguments)
    assert done.returncode in (0, 1), done.stderr
    return done.returncode, orjson.loads(done.stdout)


def run(deployment: Deployment, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "consent_stream", "what-if", *arguments]
    environment = deployment.environment()
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=90, check=False)


def whole_second() -> tuple[int, str]:
    """Now, in microseconds and in words."""
    now = int(time.time())
    return now * 1_000_000, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))


def forget_events(deployment: Deployment) -> None:
    """What retention does after 7 days, to all that is there."""
    admin, name = AdminClient({"bootstrap.servers": deployment.settings.bootstrap}), EVENTS.full(deployment.prefix)
    places = [TopicPartition(name, p, end) for p, end in deployment.ends(EVENTS).items()]
    for future in admin.delete_records(places).values():
        future.result(10)


def rows(deployment: Deployment, generation: int) -> dict[bytes, Registers]:
    deployment.generation = generation
    return {each.key: decode_registers(each.value) for each in deployment.read(STATE) if each.key and each.value}


def questions(*generations: dict[bytes, Registers]) -> Iterator[tuple[str, Asked]]:
    """(tenant, what is asked) for every address that both know, with the scopes that either names."""
    for key in generations[0].keys() & generations[1].keys():
        both = [rows[key] for rows in generations]
        nodes = [part.node for reg in both for part in reg.restrictions.values()]
        nodes += [grant.node for reg in both for grant in reg.grants]
        for channel in ("email", "sms"):
            if both[0].channels & CHANNEL_MASK[channel]:
                for purpose in PURPOSES:
                    named = {x.scope for x in nodes if x.purpose == purpose and x.channel in ("*", channel)}
                    yield from ((both[0].tenant, (key.hex(), channel, purpose, scope)) for scope in named | {"*"})


def answers(deployment: Deployment, asked: list[tuple[str, Asked]], at: int) -> dict[Asked, bool]:
    """Of gates that obey the generation which is active now; only where they have a record to answer by."""
    found = {}
    for channel in ("email", "sms"):
        with Gate(deployment.settings, channel=channel, staleness_limit=60, report=False) as gate:
            assert gate.wait_ready(30), gate.status()
            for tenant, each in asked:
                key, of, purpose, scope = each
                if of == channel:
                    verdict = gate.check(tenant=tenant, key=key, purpose=purpose, scope=scope, at=at)
                    assert not {"stale", "not_ready"} & set(verdict.reasons)
                    if verdict.version:
                        found[each] = verdict.allow
    return found


def listed(path: Path) -> dict[Asked, list[str]]:
    """Steps that flip a question, from the file of --list."""
    found: dict[Asked, list[str]] = {}
    for line in path.read_text().splitlines():
        key, _, told = line.partition("  # ")
        _, _, channel, purpose, scope = told.partition(";")[0].split(" ")
        found.setdefault((key, channel, purpose, scope), []).append(told.rpartition("; ")[2])
    return found


@pytest.fixture(scope="module")
def running(kafka: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Deployment, Worker]]:
    """A deployment with some people on its lists, and its worker."""
    folder = tmp_path_factory.mktemp("running")
    with deployed(kafka, folder, f"t{uuid.uuid4().hex[:8]}-", POLICY) as deployment:
        live = deployment.worker("live").start().await_ready()
        deployment.produce(events(1_000, 0, people=250))
        deployment.await_settled()
        yield deployment, live


def test_flips_come_true_key_by_key(kafka: str, prefix: str, tmp_path: Path) -> None:
    """Facts of events that are gone stay as they were qualified, retained ones are taken in by the new policy."""
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        live = deployment.worker("live").start().await_ready()
        deployment.produce(events(700, 100, people=200))
        deployment.await_settled()
        command = [sys.executable, "-m", "consent_stream", "rebuild", "--into", "1", "--seed-only"]
        subprocess.run(command, env=deployment.environment(), capture_output=True, timeout=60, check=True)
        forget_events(deployment)
        deployment.produce(events(700, 100, people=150, seed=2))  # another number of people: other events
        deployment.await_settled()

        (tmp_path / "rebuilt.toml").write_text(NEW)
        deployment.worker("anew", "--generation", "1", "--policy", str(tmp_path / "rebuilt.toml")).start()
        assert what_if(deployment, POLICY)[1]["flipped"] == 0
        (at, instant), flips = whole_second(), tmp_path / "flips.txt"
        code, told = what_if(deployment, NEW, "--at", instant, "--limit", "10000", "--list", str(flips))
        assert code == 1
        assert min(told["by"].values()) > 10, told["by"]
        both_ways = {(row["through"], row["direction"]) for row in told["rows"]}
        assert both_ways >= {("decision", "allow→deny"), ("decision", "deny→allow"), ("intake", "allow→deny")}
        predicted = listed(flips)
        assert sum(map(len, predicted.values())) == sum(told["by"].values())
        assert len({key for key, *_ in predicted}) == told["flipped"]

        deployment.generation = 1
        deployment.await_settled()
        asked = list(questions(rows(deployment, 0), rows(deployment, 1)))
        before = answers(deployment, asked, at)
        publish_control(deployment.settings, [encode_active(Active(1, "tests", "what-if", 0))])
        after = answers(deployment, asked, at)
        assert live.running
        common = before.keys() & after.keys()
        assert len(common) > 1_000
        flipped = {each for each in common if before[each] != after[each]}
        assert flipped == {each for each in common if len(predicted.get(each, ())) == 1}
        assert len(flipped) > 50


@pytest.mark.parametrize(
    ("arguments", "policy", "said"),
    [
        ((), '[tenants.acme]\nmin_evidence = "E9"\n', "tenants.acme.min_evidence: one of E0"),
        (("--tenant", "nobody"), POLICY, "neither policy knows it"),
        (("--at", "noon"), POLICY, "RFC 3339"),
        (("--list", "away/flips.txt"), POLICY, "No such file or directory"),
    ],
)
def test_what_cannot_be_tried_is_one_line(
    running: tuple[Deployment, Worker], tmp_path: Path, arguments: tuple[str, ...], policy: str, said: str
) -> None:
    (tmp_path / "new.toml").write_text(policy)
    assert_refused(run(running[0], "--policy", str(tmp_path / "new.toml"), *arguments), said)


def test_before_any_worker_there_is_nothing_to_compare_with(kafka: str, prefix: str, tmp_path: Path) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        assert_refused(run(deployment), "no worker has started yet")


def assert_refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 2, done
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_asked_to_end_it_leaves_nothing(running: tuple[Deployment, Worker], tmp_path: Path) -> None:
    environment = {**running[0].environment(), "TMPDIR": str(tmp_path)}
    command = leashed([sys.executable, "-m", "consent_stream", "what-if", "--list", str(tmp_path / "flips.txt")])
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob("consent-stream-what-if-*")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert process.returncode == 143
    assert list(tmp_path.iterdir()) == []


def test_of_one_tenant_it_tells_the_same_as_of_all(running: tuple[Deployment, Worker]) -> None:
    stricter = POLICY.replace(STRICTER, STRICTER + 'min_evidence = "E4"\n')
    code, told = what_if(running[0], stricter, "--limit", "10000")
    assert (code, told["by"]["intake"]) == (1, 0)
    of_one = what_if(running[0], stricter, "--tenant", "t1", "--limit", "10000")[1]
    assert of_one["rows"] == [row for row in told["rows"] if row["tenant"] == "t1"] != []
    assert 0 < of_one["flipped"] <= of_one["judged"] < told["judged"]
