"""Marked clicks are listed, and what they permitted is taken back; what they refused stays."""

import json

import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from consent_stream.commands.edge.suspects import command
from consent_stream.inspection.suspects import suspect_of, void_event
from consent_stream.wire.topics import EVENTS
from tests.edge.pages.site import CONFIG, site
from tests.faults.deployment import deployed

RANGE = {**CONFIG, "pages": {"scanners": ["127.0.0.0/8"]}}


@pytest.fixture(scope="module")
def clicks():
    """What a scanner's form on and off makes, as events; and a person's own."""
    with site(RANGE) as found:
        found.say("consent.granted", scope="news")
        token = found.token()
        found.save(token, m_offers=True)
        found.save(token, m_news=False)
        person = {**found.door.taken[1], "id": "own"}
        person["data"] = {name: each for name, each in person["data"].items() if name != "suspect"}
        yield [*found.door.taken, person]


def test_a_void_takes_the_yes_back_and_leaves_the_no():
    with site(RANGE) as found:
        found.say("consent.granted", scope="news")
        token = found.token()
        found.save(token, m_offers=True)
        found.save(token, m_news=False)
        assert (found.allowed("offers"), found.allowed("news")) == (True, False)
        suspects = [suspect_of(orjson.dumps(each), 0) for each in found.door.taken]
        assert [each.says for each in suspects] == ["yes", "no"]
        found.door.feed(orjson.loads(void_event(suspects[0], ["kim"])))
        assert (found.allowed("offers"), found.allowed("news")) == (False, False)
        assert found.door.refused == []


MARKED = b'{"data":{"suspect":["x"],"keys":%b},"type":"a","id":"b","source":"%b","tenant":"t"}'


@pytest.mark.parametrize(
    "value",
    [b"", b'"suspect"', b'{"suspect":1}', MARKED % (b"[1]", b"/edge/x"), MARKED % (b"[]", b"/other"), b"\xc3\x01"],
)
def test_what_is_no_suspect_of_an_edge_is_none(value):
    assert suspect_of(value, 0) is None
    assert suspect_of(MARKED % (b"[]", b"/edge/x"), 0) is not None


@pytest.mark.kafka
def test_they_are_listed_and_reverted_in_bulk(kafka, tmp_path, clicks):
    with deployed(kafka, tmp_path, "edge-suspects-", "") as deployment:
        producer = Producer(deployment.settings.producer())
        for each in clicks:
            producer.produce(EVENTS.full(deployment.prefix), orjson.dumps(each))
        assert producer.flush(10) == 0
        where = ["--bootstrap", deployment.settings.bootstrap, "--topic-prefix", deployment.prefix]

        def run(*arguments):
            return CliRunner().invoke(command, [*arguments, *where])

        listed = [json.loads(line) for line in run("--json").stdout.splitlines()]
        assert sorted((each["says"], each["marks"]) for each in listed) == [
            ("no", ["known_range"]), ("yes", ["known_range"]),
        ]  # fmt: skip
        assert run("--json", "--mark", "too_soon").stdout == ""
        assert "m-1@mail.example.com" in run().stdout
        assert run("--revert").exit_code == 2
        reverted = run("--revert", "--approved-by", "kim")
        assert reverted.exit_code == 0
        assert "1 yeses are void" in reverted.stderr
        found = [orjson.loads(each.value) for each in deployment.read(EVENTS) if b"consent.invalidated" in each.value]
        assert [each["data"]["approved_by"] for each in found] == [["kim"]]
        assert found[0]["data"]["voids"] == [f"grant:/edge/preferences#{clicks[0]['id']}"]
