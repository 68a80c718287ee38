"""`consent-stream topics` where there is little to set, and where there is nobody."""

import json

from click.testing import CliRunner
from confluent_kafka.admin import AdminClient

from consent_stream.cli import main
from consent_stream.dev.ports import free_ports
from consent_stream.wire.topics import TOPICS


def test_on_the_embedded_broker_apply_makes_topics_appear_and_says_what_they_are(embedded, prefix):
    done = CliRunner().invoke(main, ["topics", "apply", "--bootstrap", embedded, "--topic-prefix", prefix])
    assert done.exit_code == 0
    assert "4 partitions" in done.stderr
    live = AdminClient({"bootstrap.servers": embedded}).list_topics(timeout=5).topics
    assert {each.full(prefix) for each in TOPICS} <= set(live)


def test_the_json_says_that_it_is_embedded(embedded, prefix):
    told = CliRunner().invoke(main, ["topics", "diff", "--json", "--bootstrap", embedded, "--topic-prefix", prefix])
    assert json.loads(told.stdout) == {"embedded": True, "differences": []}


def test_nobody_there_is_one_line_with_the_address(monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    refused = CliRunner().invoke(main, ["topics", "diff", "--bootstrap", nobody])
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"consent-stream: no Kafka answers at {nobody}")
    assert refused.stderr.count("\n") == 1
