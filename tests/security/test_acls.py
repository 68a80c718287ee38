"""Each role does its work with the ACLs declared for it, and is refused everything else: tried on a real broker."""

from __future__ import annotations

import json
import time

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from consent_stream.console.follower import Follower
from consent_stream.console.model import Group, Model
from consent_stream.gate import Gate
from consent_stream.settings import Settings
from consent_stream.topics import TopicAdmin
from consent_stream.wire.acls import ROLES, rules
from consent_stream.wire.topics import CONTROL, SENDS, TOPICS
from tests.faults.deployment import KEY_FILE, Worker, await_that
from tests.faults.population import POLICY
from tests.kafka.test_product import event, granted
from tests.security.secured import Ran, run

pytestmark = pytest.mark.kafka
LIST = {"suppression.email", "suppression.sms", "suppression.sharing"}
ALL = {topic.name for topic in TOPICS}

# Written by hand, so that a slip in the declaration is seen.
READS = {
    "edge": {"sms.replies"},
    "intake": {
        "consent.events",
        "consent.control",
        "consent.progress",
        "consent.edges",
        "consent.quarantine",
        "consent.audit",
    },
    "state": {*LIST, "consent.ledger", "consent.state", "consent.control", "consent.progress"},
    "worker": {
        *LIST,
        "consent.events",
        "consent.ledger",
        "consent.state",
        "consent.control",
        "consent.progress",
        "consent.edges",
        "consent.quarantine",
        "consent.audit",
    },
    "gate": {*LIST, "consent.control"},
    "mailer": {*LIST, "consent.control"},
    "texter": {"sms.replies"},
    "analytics": {
        *LIST,
        "consent.state",
        "consent.changes",
        "consent.control",
        "consent.ledger",
        "consent.sends",
        "consent.progress",
    },
    "oncall": ALL - {"consent.events"},
    "admin": set(),
    "nobody": set(),
}
STAGE = {"consent.ledger", "consent.quarantine", "consent.control", "consent.progress"}
WRITES = {
    "edge": {"consent.events", "consent.edges", "sms.replies"},
    "intake": STAGE,
    "state": {*STAGE, *LIST, "consent.state", "consent.changes"},
    "worker": {*STAGE, *LIST, "consent.state", "consent.changes"},
    "gate": {"consent.gates"},
    "mailer": {"consent.gates", "consent.sends"},
    "texter": set(),
    "analytics": set(),
    "oncall": {"consent.control", "consent.audit", "consent.edges"},
    "admin": set(),
    "nobody": set(),
}


@pytest.fixture(scope="module")
def tried(broker):
    """A prefix whose topics are there to be tried on."""
    prefix = "try-"
    TopicAdmin(Settings(bootstrap=broker.bootstrap, topic_prefix=prefix)).create(dict.fromkeys(TOPICS, 1), 1)
    broker.grant(prefix)
    return prefix


def refusals(role, broker, prefix):
    """(topics that may not be read, topics that may not be written), by trying."""
    settings = broker.settings(role, topic_prefix=prefix)
    consumer = Consumer(settings.consumer(**{"group.id": "control-unused", "enable.partition.eof": True}))
    names = [topic.full(prefix) for topic in TOPICS]
    listed = {name: consumer.list_topics(name, timeout=10).topics[name].error for name in names}
    unread = {name for name, error in listed.items() if error is not None}  # may not even be described
    assert {listed[name].code() for name in unread} <= {KafkaError.TOPIC_AUTHORIZATION_FAILED}
    answered = set(unread)
    consumer.assign([TopicPartition(name, 0, 0) for name in names if name not in unread])
    deadline = time.monotonic() + 20
    while len(answered) < len(TOPICS):
        assert time.monotonic() < deadline, f"no answer for all: {answered}"
        message = consumer.poll(0.2)
        if message is None or message.topic() is None:
            continue
        answered.add(message.topic())
        if message.error() is not None and message.error().code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            unread.add(message.topic())
    consumer.close()
    unwritten = set()

    def told(error, message):
        if error is not None:
            assert error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED, error
            unwritten.add(message.topic())

    over = {"enable.idempotence": False, "message.timeout.ms": 15_000}
    producer = Producer(settings.producer(**over))
    for topic in TOPICS:
        producer.produce(topic.full(prefix), b"tried", b"key", on_delivery=told)
    assert producer.flush(20) == 0
    return ({each.removeprefix(prefix) for each in names} for names in (unread, unwritten))


@pytest.mark.parametrize("role", READS)
def test_a_role_reads_and_writes_what_it_may_and_nothing_else(role, broker, tried):
    unread, unwritten = refusals(role, broker, tried)
    assert unread == ALL - READS[role]
    assert unwritten == ALL - WRITES[role]


@pytest.mark.parametrize("role", [*ROLES, "nobody"])
def test_no_role_may_grant_itself_more(role, broker, tried):
    ran = run(broker.environment(role), "acls", "apply", "--role", "worker", "--principal", f"User:{role}")
    assert ran.code == 1, ran
    assert "not allowed" in ran.err


def test_both_stages_are_one_worker():
    assert set(rules("worker", "p-")) == {*rules("intake", "p-"), *rules("state", "p-")}


# -- the roles at work


@pytest.fixture(scope="module")
def place(broker, tmp_path_factory):
    """Topics made by `admin`, ACLs granted by the command, an intake and a state worker of their own roles."""
    folder, prefix = tmp_path_factory.mktemp("roles"), "work-"
    (folder / "policy.toml").write_text(POLICY)
    (folder / "keys.toml").touch(mode=0o600)
    (folder / "keys.toml").write_text(KEY_FILE)

    def environment(role: str, **more: object) -> dict[str, str]:
        files = {"policy": folder / "policy.toml", "keys": folder / "keys.toml", "topic_prefix": prefix}
        return broker.environment(role, **files, **more)

    for role in ROLES:
        by_test = ("--bootstrap", broker.bootstrap, "--topic-prefix", prefix)
        if role in ("admin", "gate"):
            ran = run({}, "acls", "apply", "--role", role, "--principal", f"User:{role}", *by_test)
            assert ran.code == 0, ran
    broker.grant(prefix)
    made = run(environment("admin"), "topics", "apply", "--partitions", "2", "--replication-factor", "1")
    assert made.code == 0, made
    workers = [
        Worker(environment(role, data_dir=folder / role), folder, role, ["--agents", role])
        for role in ("intake", "state")
    ]
    for worker in workers:
        worker.start()
    try:
        for worker in workers:
            worker.await_ready(60)
        yield folder, environment
    finally:
        for worker in workers:
            worker.close()
            Ran.every.append(worker.log)


def test_admin_sees_that_all_is_as_declared(place):
    _, environment = place
    assert run(environment("admin"), "topics", "diff").code == 0


def test_edge_publishes_the_stages_fold_and_gates_answer(broker, place):
    _, environment = place
    lines = b"\n".join([granted("g1", "ana@example.com"), granted("g2", "ben@example.com"),
                        event("unsubscribe.oneclick", "u1", "ben@example.com")])  # fmt: skip
    sent = run(environment("edge"), "publish", "-", "--json", given=lines)
    assert sent.code == 0, sent
    receipts = [json.loads(line) for line in sent.out.splitlines()]
    for role in ("gate", "mailer"):
        settings = Settings.read({}, environment(role))
        with Gate(settings) as gate:
            assert gate.wait_ready(30), gate.status()
            for each in receipts:
                assert gate.wait_for((each["partition"], each["offset"]), 30), gate.status()
            assert gate.check(tenant="t1", email="ana@example.com", scope="news")
            assert "unsubscribed" in gate.check(tenant="t1", email="ben@example.com", scope="news").reasons
            if role == "mailer":
                with gate.sending(tenant="t1", email="ana@example.com", scope="news", message_id="m1") as permit:
                    permit.ensure()
        assert (gate.status().alarms["sends_lost"], gate.status().alarms["reports_refused"]) == (0, 0)
    assert records(broker, SENDS.full("work-")) == 1


def records(broker, topic):
    consumer = Consumer(Settings(bootstrap=broker.bootstrap).consumer(**{"group.id": "tests-unused"}))
    try:
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, p))[1] for p in partitions)
    finally:
        consumer.close()


def test_oncall_finds_late_sends_asks_why_and_turns_the_kill_switch(place):
    _, environment = place
    ran = run(environment("oncall"), "late-sends", "--timeout", "30")
    assert ran.code == 0, ran
    ran = run(environment("oncall"), "why", "--tenant", "t1", "--email", "nobody@example.com", "--timeout", "30")
    assert (ran.code, ran.out[:20]) == (1, "No: nobody consented"), ran
    stopped = run(environment("oncall"), "stop-sending", "--tenant", "t1", "--reason", "tried")
    assert stopped.code == 0, stopped
    resumed = run(environment("oncall"), "resume", "--tenant", "t1", "--reason", "tried")
    assert resumed.code == 0, resumed


def test_oncall_looks(place):
    _, environment = place
    for topic in ("changes", "sends", "quarantine"):
        ran = run(environment("oncall"), "tail", "--topic", topic, "--no-follow", "--json")
        assert (ran.code, ran.err) == (0, ""), ran
        assert ("u1" in ran.out) == (topic == "changes")
    ran = run(environment("oncall"), "stats", "--json")
    assert json.loads(ran.out)["lists"]["email"]["tenants"]["t1"]["reasons"] == {"unsubscribed": 1}, ran
    ran = run(environment("oncall"), "inspect", "--tenant", "t1", "--email", "ben@example.com", "--json")
    assert [each["what"] for each in json.loads(ran.out)["keys"][0]["registers"]] == ["unsubscribed", "E3"], ran


def test_oncall_works_off_the_quarantine_that_the_intake_watches(place):
    folder, environment = place

    def oncall(*arguments: str):
        return run(environment("oncall"), "quarantine", *arguments)

    assert run(environment("edge"), "publish", "-", given=b"unsubscribe somebody\n").code == 0
    some = ("--code", "not_cloudevent")
    await_that("it is in quarantine", lambda: oncall("list", *some).code == 1, 60)
    refused = oncall("replay", *some, "--refused", "--yes")
    assert (refused.code, "Topic authorization failed" in refused.err) == (2, True), refused
    dropped = oncall("drop", *some, "--reason", "tried", "--yes")
    assert (dropped.code, dropped.err) == (0, ""), dropped
    assert oncall("list", *some).code == 0
    assert "quarantine is not watched" not in (folder / "intake.err").read_text()


def test_oncalls_console_reads_all_that_it_shows(broker, place):
    model = Model()
    follower = Follower(broker.settings("oncall", topic_prefix="work-"), model, lambda: time.time_ns() // 1000)
    follower.start()

    def known() -> bool:
        return model.caught_up and model.heard is not None and model.group != Group()

    try:
        await_that("everything is read", lambda: known() or model.trouble is not None, 60)
        assert (model.trouble, model.group.trouble) == (None, None)
        assert {worker.name for worker in model.group.workers} != set()
    finally:
        follower.close()


def test_oncall_and_gate_check(place):
    _, environment = place
    asked = ("check", "--tenant", "t1", "--email", "nobody@example.com", "--scope", "news", "--timeout", "30")
    for role in ("oncall", "gate"):
        ran = run(environment(role), *asked)
        assert ran.code == 1, ran
        assert "no_consent" in ran.out


def test_analytics_reads_in_a_group_of_its_own(broker, place):
    settings = broker.settings("analytics", topic_prefix="work-")
    consumer = Consumer(settings.consumer(**{"group.id": "work-analytics-nightly", "auto.offset.reset": "earliest"}))
    consumer.subscribe(["work-consent.changes"])
    found = []

    def read() -> bool:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None, message.error()
            found.append(message)
        return bool(found)

    await_that("a change is read", read, 30)
    consumer.commit(found[-1], asynchronous=False)
    consumer.close()


def test_analytics_exports_and_reports_and_has_no_quarantine(place):
    folder, environment = place
    to = ("export", "--to", str(folder / "lake"))
    ran = run(environment("analytics"), *to, "--topic", "changes", "--topic", "sends", "--topic", "ledger")
    assert ran.code == 0, ran
    assert ran.err.count(" rows more") == 3
    refused = run(environment("analytics"), *to, "--topic", "quarantine")
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused
    ran = run(environment("analytics", data_dir=folder / "told"), "report", "--month", "2026-01", "--timeout", "30")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "month,tenant,list,what,people"), ran


def test_edge_is_told_in_one_line_what_it_may_not(place):
    _, environment = place
    ran = run(environment("nobody"), "publish", "-", given=b"{}")
    assert ran.code == 1, ran
    assert len(ran.err.strip().splitlines()) == 1, ran


# -- the command


def test_diff_tells_what_is_missing_and_what_is_beyond_and_only_takes_it_away(broker):
    by_test = ("--bootstrap", broker.bootstrap, "--topic-prefix", "diff-", "--principal", "User:passerby")

    def ask(what: str, role: str, *more: str) -> Ran:
        return run({}, "acls", what, "--role", role, *by_test, *more)

    before = ask("diff", "gate", "--json")
    assert before.code == 1
    assert len(json.loads(before.out)["missing"]) == len(rules("gate", "diff-"))
    assert ask("apply", "gate").code == 0
    await_that("it is as declared", lambda: ask("diff", "gate").code == 0, 20)
    beyond = ask("diff", "edge")
    assert beyond.code == 1
    assert f"read             topic diff-{CONTROL.name} from *" in beyond.out
    assert ask("apply", "edge", "--only").code == 0
    await_that("nothing is beyond it", lambda: ask("diff", "edge").code == 0, 20)
