"""The whole way on a real Kafka: what a provider or a person says, a worker, a gate; and one answer to a text."""

import hmac
import json
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from consent_stream.gate import Gate
from consent_stream.wire.topics import REPLIES
from tests.edge.process import EdgeProcess
from tests.faults.deployment import KEYS, await_that, deployed

pytestmark = pytest.mark.kafka
SECRET = "a-secret-of-tests-alone"
POLICY = """
[tenants.acme]
basis.marketing = "legitimate_interest"
sms_program = "deals"
sms_notice = { id = "signup", version = 1 }
[[notices.acme]]
id = "signup"
version = 1
sha256 = "00"
effective = "2025-01-01T00:00:00Z"
purposes = ["marketing"]
[sources."/edge/providers/postmark"]
clock = "signed"
max_evidence = "E1"
tenants = ["acme"]
[sources."/edge/sms/gateway"]
clock = "ours"
max_evidence = "E3"
tenants = ["acme"]
"""
CONFIG = """
[providers.postmark]
kind = "postmark"
tenant = "acme"
header = "X-Hook"
password_env = "HOOK"
[sms.gateway]
kind = "json"
tenant = "acme"
brand = "Acme"
secret_env = "HOOK"
"""
PHONE = "+12015550123"


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory):
    with deployed(kafka, tmp_path_factory.mktemp("providers"), "edge-providers-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def edge(deployment):
    (deployment.folder / "edge.toml").write_text(CONFIG)
    process = EdgeProcess(
        deployment, "edge", "--without-gates", "--drain", "0",
        CONSENT_EDGE_CONFIG=str(deployment.folder / "edge.toml"), HOOK=SECRET,
    )  # fmt: skip
    worker = deployment.worker("w1").start()
    try:
        worker.await_ready()
        yield process.start()
    finally:
        process.close()
        worker.close()


@pytest.fixture(scope="module", params=["email", "sms"])
def gate(deployment, edge, request, tmp_path_factory):
    with Gate(deployment.settings, channel=request.param, store=tmp_path_factory.mktemp("gate") / "list") as found:
        assert found.wait_ready(60)
        yield request.param, found


def text(edge, said, ident, at=None):
    stamp = str(int(time.time()))
    body = json.dumps({"id": ident, "from": PHONE, "text": said, **({} if at is None else {"time": at})}).encode()
    signed = hmac.digest(SECRET.encode(), f"{stamp}.".encode() + body, "sha256").hex()
    return edge.ask("POST", "/sms/gateway", body, {"X-Timestamp": stamp, "X-Signature": signed}).status


def test_what_is_told_is_obeyed(edge, gate):
    channel, gate = gate
    if channel == "email":
        for kind, name in (("Bounce", "ana"), ("SpamComplaint", "bo")):
            body = {"RecordType": kind, "ID": 1, "Email": f"{name}@example.com", "Details": "550 5.1.1 no such user"}
            assert edge.ask("POST", "/providers/postmark", json.dumps(body).encode(), {"X-Hook": SECRET}).status == 200
        for name, reason in (("ana", "undeliverable"), ("bo", "complaint")):
            asked = {"tenant": "acme", "email": f"{name}@example.com"}
            await_that(reason, lambda asked=asked, reason=reason: reason in gate.check(**asked).reasons, 30)
        assert gate.check(tenant="acme", email="cy@example.com").allow
    else:
        assert text(edge, "Please STOP", "m-1") == 200
        await_that("the STOP counts", lambda: "sms_stop" in gate.check(tenant="acme", phone=PHONE).reasons, 30)


def answers(deployment):
    consumer = Consumer(deployment.settings.consumer(**{"group.id": "replies-test"}))
    place = TopicPartition(REPLIES.full(deployment.prefix), 0, 0)
    try:
        _, end = consumer.get_watermark_offsets(place, timeout=10)
        consumer.assign([place])
        found = []
        while len(found) < end:
            message = consumer.poll(10)
            assert message is not None
            assert message.error() is None
            found.append((message.key(), json.loads(message.value())))
        return found
    finally:
        consumer.close()


def test_a_text_is_answered_once_though_it_comes_again_and_its_edge_is_another(deployment, edge):
    before = len(answers(deployment))
    assert [text(edge, "AIDE? help", f"h-{each}") for each in range(2)] == [200, 200]  # no word for help alone
    assert [text(edge, "Help", each) for each in ("m-2", "m-2", "m-3")] == [200, 200, 200]
    edge.kill()
    edge.start()
    assert text(edge, "help!", "m-2") == 200
    found = answers(deployment)[before:]
    assert [(key, each["kind"], each["reference"]) for key, each in found] == [
        (KEYS.subject("acme", "sms", PHONE), "help", "m-2")
    ]
    assert PHONE not in json.dumps(found[0][1])
    assert found[0][1]["text"].startswith("Acme: Reply STOP")


def test_an_old_text_is_not_answered(deployment, edge):
    before = len(answers(deployment))
    assert text(edge, "START", "m-9", "2026-01-01T00:00:00Z") == 200
    assert len(answers(deployment)) == before
