"""The whole way on a real Kafka: a form, a worker, a mailer's gate, and the page that says it is in force."""

from __future__ import annotations

import json
import re
import time
from importlib.resources import files
from urllib.parse import urlencode

import pytest
from confluent_kafka import Producer

from consent_stream.gate import Gate
from consent_stream.wire.topics import EVENTS
from tests.edge.process import ANA, EdgeProcess, token
from tests.faults.deployment import await_that, deployed

pytestmark = pytest.mark.kafka
POLICY = (files("consent_stream.dev") / "policy.toml").read_text()
CONFIG = """
[pages]
per_link = 100_000  # a test looks more often than people do
[preferences.acme]
name = "Acme"
notice = { id = "signup", version = 1 }
[preferences.acme.programs]
news = "News"
"""
DAY = 86400
OURS = 1.1  # seconds: a no of our own clock may have been as late as a second after (RULES §3)


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory):
    with deployed(kafka, tmp_path_factory.mktemp("pages"), "edge-pages-", POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def edge(deployment):
    """`consent-stream edge` with gates, which shows pages of acme."""
    (deployment.folder / "edge.toml").write_text(CONFIG)
    worker = deployment.worker("w1").start()
    process = EdgeProcess(deployment, "edge", "--drain", "0", CONSENT_EDGE_CONFIG=str(deployment.folder / "edge.toml"))
    try:
        worker.await_ready()
        yield process.start()
    finally:
        process.close()
        worker.close()


@pytest.fixture(scope="module")
def mailer(deployment):
    """The one sender there is."""
    with Gate(deployment.settings) as gate:
        assert gate.wait_ready(60)
        yield gate


def sign_up(deployment):
    event = {
        "specversion": "1.0", "id": "signup-1", "source": "/forms/signup", "type": "consent.granted.v1",
        "time": "2026-03-01T10:00:00Z", "tenant": "acme",
        "data": {"email": ANA, "channel": "email", "scope": "news", "notice": {"id": "signup", "version": 1}},
    }  # fmt: skip
    producer = Producer(deployment.settings.producer())
    producer.produce(EVENTS.full(deployment.prefix), json.dumps(event).encode())
    assert producer.flush(10) == 0


def post(edge, link, **fields):
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    return edge.ask("POST", f"/p/{link}", urlencode(fields).encode(), headers)


def allowed(mailer):
    return mailer.check(tenant="acme", email=ANA, scope="news").allow


def page_until(edge, path, words):
    found = []

    def there():
        found.append(edge.ask("GET", path).text)
        time.sleep(0.1)
        return words in found[-1]

    await_that(f"the page says {words!r}", there, 30)
    return found[-1]


def test_off_is_denied_and_told_as_in_force_everywhere_and_back_on_is_allowed(deployment, edge, mailer):
    sign_up(deployment)
    await_that("the mailer may send", lambda: allowed(mailer), 30)
    link = token()
    page = page_until(edge, f"/p/{link}", 'value="1m:news"')

    answer = post(edge, link, do="save", was="1m:news")
    assert answer.status == 303
    page = page_until(edge, answer.headers["Location"], "in force at all senders")
    assert not allowed(mailer)  # what the page says holds for the mailer
    assert 'value="0m:news"' in page

    time.sleep(OURS)
    seal = re.search(r'name="seal" value="([^"]+)"', page)
    answer = post(edge, link, do="save", seal=seal[1], was="0m:news", want="m:news")
    assert answer.status == 303
    page_until(edge, answer.headers["Location"], "in force at all senders")
    assert allowed(mailer)


def test_an_old_link_does_not_turn_on(edge, mailer):
    link = token(issued=int(time.time()) - 8 * DAY)
    page = page_until(edge, f"/p/{link}", "a newer link is needed")
    seal = re.search(r'name="seal" value="([^"]+)"', page)
    assert post(edge, link, do="save", seal=seal[1], was="0m:news", want="m:news").status == 400
    answer = post(edge, link, do="stop-channel")
    page_until(edge, answer.headers["Location"], "in force at all senders")
    assert not allowed(mailer)
