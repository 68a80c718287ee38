"""The declared topics, and which wrong settings of a live one a worker must not start on."""

from dataclasses import replace

import pytest

from consent_stream.wire.topics import (
    AUDIT,
    CHANGES,
    CONTROL,
    EVENTS,
    GATES,
    LEDGER,
    PROGRESS,
    QUARANTINE,
    STATE,
    SUPPRESSION,
    TOPICS,
    LiveTopic,
    differences,
    fatal,
)

DAY = 86_400_000


def as_declared(prefix="", replication=1, partitions=8):
    return {
        each.full(prefix): LiveTopic(
            each.partitions if each.fixed else partitions, replication, each.settings(replication)
        )
        for each in TOPICS
    }


def changed(topic, **config):
    live = as_declared()
    there = live[topic.name]
    settings = {name.replace("_", "."): value for name, value in config.items()}
    live[topic.name] = replace(there, config={**there.config, **settings})
    return live


def test_the_names_are_those_of_the_wire():
    assert [each.name for each in TOPICS] == [
        "consent.events", "consent.ledger", "consent.state", "suppression.email", "suppression.sms",
        "suppression.sharing", "consent.changes", "consent.quarantine", "consent.progress", "consent.control",
        "consent.sends", "consent.gates", "consent.edges", "sms.replies", "consent.audit",
    ]  # fmt: skip
    assert EVENTS.full("eu-") == "eu-consent.events"


@pytest.mark.parametrize(
    ("topic", "policy", "retention"),
    [
        (EVENTS, "delete", 7 * DAY), (LEDGER, "delete", 3650 * DAY), (STATE, "compact", None),
        (SUPPRESSION["email"], "compact", None), (CHANGES, "delete", 400 * DAY), (QUARANTINE, "delete", 90 * DAY),
        (PROGRESS, "delete", DAY), (CONTROL, "compact", None), (GATES, "compact,delete", DAY),
        (AUDIT, "delete", 3650 * DAY),
    ],
)  # fmt: skip
def test_cleanup_and_retention_are_those_of_the_wire(topic, policy, retention):
    settings = topic.settings(1)
    assert settings["cleanup.policy"] == policy
    assert settings.get("retention.ms") == (None if retention is None else str(retention))


def test_events_carry_the_append_time():
    assert EVENTS.settings(1)["message.timestamp.type"] == "LogAppendTime"


@pytest.mark.parametrize("topic", [EVENTS, QUARANTINE], ids=lambda each: each.name)
def test_plain_addresses_go_when_their_time_is_over_not_a_segment_later(topic):
    settings = topic.settings(1)
    assert int(settings["segment.ms"]) <= int(settings["retention.ms"]) / 20


def test_tombstones_of_suppression_stay_thirty_days():
    assert all(each.settings(1)["delete.retention.ms"] == str(30 * DAY) for each in SUPPRESSION.values())


def test_a_quarantined_event_fits_with_its_headers():
    assert int(QUARANTINE.settings(1)["max.message.bytes"]) > int(EVENTS.settings(1)["max.message.bytes"])


def test_three_replicas_survive_the_loss_of_one_without_losing_a_write():
    assert [STATE.settings(each)["min.insync.replicas"] for each in (1, 2, 3)] == ["1", "1", "2"]


@pytest.mark.parametrize("replication", [1, 3])
def test_declared_topics_have_no_differences(replication):
    assert differences(as_declared("p-", replication), "p-") == []


def test_a_missing_topic_is_fatal_and_says_what_makes_it():
    live = as_declared()
    del live["suppression.sms"]
    (found,) = differences(live)
    assert found.fatal
    assert str(found) == "topic suppression.sms is missing: consent-stream topics apply makes it"


@pytest.mark.parametrize("topic", [STATE, CONTROL, *SUPPRESSION.values()], ids=lambda each: each.name)
@pytest.mark.parametrize("policy", ["delete", "compact,delete", "delete, compact"])
def test_a_no_that_could_expire_is_fatal(topic, policy):
    (found,) = differences(changed(topic, cleanup_policy=policy))
    assert found.fatal
    assert "could expire" in found.why


def test_a_ledger_that_is_compacted_is_fatal():
    assert fatal(differences(changed(LEDGER, cleanup_policy="compact")))


def test_senders_clocks_on_events_are_fatal():
    (found,) = differences(changed(EVENTS, message_timestamp_type="CreateTime"))
    assert found.fatal


def test_a_shorter_retention_is_a_difference_but_not_fatal():
    (found,) = differences(changed(CHANGES, retention_ms="1000"))
    assert (found.setting, found.found, found.fatal) == ("retention.ms", "1000", False)


@pytest.mark.parametrize("topic", [STATE, *SUPPRESSION.values()], ids=lambda each: each.name)
def test_other_partition_counts_than_the_ledgers_are_fatal(topic):
    live = as_declared(partitions=12)
    live[topic.name] = replace(live[topic.name], partitions=8)
    (found,) = differences(live)
    assert (found.setting, found.wanted, found.found, found.fatal) == ("partitions", "12", "8", True)


def test_events_and_changes_may_have_counts_of_their_own():
    live = as_declared(partitions=12)
    for name in ("consent.events", "consent.changes", "consent.quarantine"):
        live[name] = replace(live[name], partitions=3)
    assert differences(live) == []


def test_progress_has_one_partition():
    live = as_declared()
    live["consent.progress"] = replace(live["consent.progress"], partitions=2)
    assert [each.fatal for each in differences(live)] == [True]


def test_more_insync_replicas_than_replicas_is_fatal_and_fewer_is_not():
    impossible = as_declared(replication=1)
    there = impossible["consent.ledger"]
    impossible["consent.ledger"] = replace(there, config={**there.config, "min.insync.replicas": "2"})
    assert [each.fatal for each in differences(impossible)] == [True]
    weak = as_declared(replication=3)
    there = weak["consent.ledger"]
    weak["consent.ledger"] = replace(there, config={**there.config, "min.insync.replicas": "1"})
    assert [each.fatal for each in differences(weak)] == [False]


def test_spelling_is_no_difference():
    assert differences(changed(STATE, min_cleanable_dirty_ratio="0.10", cleanup_policy=" compact")) == []


def test_the_embedded_broker_has_no_settings_to_differ():
    live = {each.name: LiveTopic(4, 1, None) for each in TOPICS}
    assert differences(live) == []
