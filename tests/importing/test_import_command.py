"""The command without a worker: what it refuses before anything is sent, what it reports, how it goes on."""

from __future__ import annotations

import json
import os

import orjson
import pytest
from click.testing import CliRunner
from confluent_kafka import Consumer, TopicPartition

from consent_stream.cli import main
from consent_stream.importing.restart import Progress, RestartFault, load, save
from consent_stream.settings import Settings
from consent_stream.wire.topics import EVENTS

NOWHERE = "127.0.0.1:1"  # no Kafka: what is refused is refused without one
LIST = "email,status,date\nana@example.com,unsubscribed,2025-03-01\nben@example.com,bounced,2025-03-02\n"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    return path


def run(*arguments, bootstrap=NOWHERE, prefix="t-", form="csv"):
    place = ["--bootstrap", bootstrap, "--topic-prefix", prefix]
    options = ["--format", form, "--tenant", "acme", *place]
    return CliRunner().invoke(main, ["import", *map(str, arguments), *options])


def events(bootstrap, prefix):
    """All that is in consent.events, as parsed."""
    settings, name = Settings(bootstrap=bootstrap), EVENTS.full(prefix)
    consumer = Consumer(settings.consumer(**{"group.id": "tests-unused"}))
    try:
        places = [
            TopicPartition(name, each, 0) for each in consumer.list_topics(name, timeout=10).topics[name].partitions
        ]
        ends = sum(consumer.get_watermark_offsets(place, timeout=10)[1] for place in places)
        consumer.assign(places)
        found = []
        while len(found) < ends:
            found += [orjson.loads(message.value()) for message in consumer.consume(100, 0.2) if not message.error()]
        return found
    finally:
        consumer.close()


@pytest.mark.parametrize(
    ("content", "options", "says"),
    [
        ("name\nAna\n", [], "no column for email; columns: name"),
        ("email,email,status\na@example.com,b@example.com,unsubscribed\n", [], "several columns for email"),
        ("Email,E-mail,status\na@example.com,b@example.com,unsubscribed\n", [], "several columns for email"),
        (LIST, ["--column", "email=E-Mail"], "no column 'E-Mail'; columns: email, status, date"),
        (LIST, ["--column", "nonsense"], "FIELD=NAME"),
        (LIST, ["--encoding", "klingon"], "no encoding"),
        (LIST, ["--status", "bounced"], "leave --status away"),
        ("email\nana@example.com\n", [], "--status says what its rows are; columns: email"),
        (LIST, ["--notice", "n1"], "ID@VERSION"),
        (LIST, ["--scope", "news//x"], "the scope is none"),
        (LIST, ["--batch", "ü"], "batch id"),
        (LIST, ["--source", "s" * 300], "the source"),
        (LIST, ["--dry-run"], "needed for --dry-run"),
        (LIST, ["--wait", "nan"], "range"),
        (LIST.encode("utf-16-le"), [], "not UTF-8"),
    ],
)
def test_what_cannot_be_used_is_exit_2_and_one_line_before_kafka_is_asked(file, content, options, says):
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    done = run(file, *options)
    assert done.exit_code == 2, done.output
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert "@example.com" not in done.output
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize(("form", "channel"), [("ses", "sms"), ("mailchimp", "sms")])
def test_vendors_lists_of_mail_are_none_of_texts(file, form, channel):
    done = run(file, "--channel", channel, form=form)
    assert done.exit_code == 2
    assert "no lists of channel sms" in done.stderr


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path):
    assert run(tmp_path / "none.csv").exit_code == 2
    assert "no regular file" in run(tmp_path).stderr


def test_a_bad_second_file_keeps_the_first_from_being_sent(file, embedded, prefix):
    bad = file.with_name("bad.csv")
    bad.write_text("name\nAna\n")
    assert run(file, bad, bootstrap=embedded, prefix=prefix).exit_code == 2
    assert events(embedded, prefix) == []


def test_without_kafka_it_is_exit_1(file, monkeypatch):
    monkeypatch.setattr("consent_stream.topics.TIMEOUT", 0.5)
    done = run(file)
    assert done.exit_code == 1
    assert "no Kafka answers" in done.stderr


def test_broken_lines_are_told_by_number_and_the_rest_is_sent(file, embedded, prefix):
    file.write_text(
        LIST + ",bounced,\nkim@@example,bounced,2025-03-01\ndan@example.com,perhaps,\neve@example.com,bounced,\n"
    )
    done = run(file, "--json", bootstrap=embedded, prefix=prefix)
    assert done.exit_code == 3, done.stderr
    assert done.stderr.splitlines() == [
        "list.csv: line 4: no address",
        "list.csv: line 5: an address that is none; its no is sent all the same",
        "list.csv: line 6: a status that is none",
    ]
    told = json.loads(done.stdout)
    assert told["faulty"] == 3
    assert told["files"][0]["fates"] == {"unsubscribed": 1, "bounced": 2, "broken": 2, "unreadable": 1}
    assert sum(offset + 1 for offset in told["receipts"].values()) == 4
    sent = {event["data"]["email"] for event in events(embedded, prefix)}
    assert sent == {"ana@example.com", "ben@example.com", "kim@@example", "eve@example.com"}
    assert not file.with_name("list.csv.import-state").exists()


def test_for_people_it_says_the_same_in_words(file, embedded, prefix):
    file.write_text(LIST + "gus@example.com,subscribed,2025-03-01\n")
    done = run(file, bootstrap=embedded, prefix=prefix)
    assert done.exit_code == 0, done.stderr
    assert "list.csv: 3 rows, 2 events; batch " in done.stdout
    assert "no permission" in done.stdout
    assert "greatest receipts: " in done.stdout
    assert "@example.com" not in done.output


def test_an_unregistered_source_is_warned_of_where_permissions_are(file, embedded, prefix, tmp_path):
    policy = tmp_path / "policy.toml"
    policy.write_text("[tenants.acme]\n")
    proof = ["--method", "form", "--origin", "www.example.com", "--notice", "n1@3", "--policy", policy]
    assert "warning" not in run(file, *proof, bootstrap=embedded, prefix=prefix).stderr
    file.write_text(LIST + "gus@example.com,subscribed,2025-03-01\n")
    done = run(file, *proof, bootstrap=embedded, prefix=prefix)
    assert "warning: source /import/csv is not registered for tenant acme" in done.stderr
    policy.write_text(
        '[tenants.acme]\n[sources."/import/csv"]\nclock = "dated"\nmax_evidence = "E1"\ntenants = ["acme"]\n'
    )
    assert "the policy has no notice n1@3" in run(file, *proof, bootstrap=embedded, prefix=prefix).stderr


# -- going on ----------------------------------------------------------------------------------------


def half_way(file, embedded, prefix, rows):
    """The restart file of an import that had proven `rows` rows when it ended."""
    state = file.with_name("list.csv.import-state")
    run(file, "--restart-file", state, bootstrap=embedded, prefix=prefix)
    assert not state.exists()
    kept = {}

    def keep(path, progress):
        kept.update(identity=progress.identity, furthest=dict(progress.furthest))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consent_stream.importing.sending.save", keep)
        run(file, bootstrap=embedded, prefix=prefix)
    save(state, Progress(kept["identity"], rows, kept["furthest"]))
    return state


def test_it_goes_on_behind_the_last_proven_row(file, embedded, prefix):
    state = half_way(file, embedded, prefix, 1)
    before = len(events(embedded, prefix))
    done = run(file, "--json", bootstrap=embedded, prefix=prefix)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["resumed_after"] == 1
    assert len(events(embedded, prefix)) == before + 1
    assert not state.exists()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda file: file.write_text(LIST + "eve@example.com,bounced,\n"), "the file has changed|batch, file"),
        (lambda file: ["--scope", "news"], "not the same options"),
        (lambda file: ["--batch", "other"], "not the same batch"),
        (lambda file: ["--source", "/other"], "not the same source"),
    ],
)
def test_what_was_begun_otherwise_is_refused(file, embedded, prefix, change, says):
    state = half_way(file, embedded, prefix, 1)
    before, options = len(events(embedded, prefix)), change(file)
    done = run(file, *(options if isinstance(options, list) else []), bootstrap=embedded, prefix=prefix)
    assert done.exit_code == 2
    assert any(each in done.stderr for each in says.split("|"))
    assert "remove it to begin anew" in done.stderr
    assert len(events(embedded, prefix)) == before
    assert state.exists()


def test_a_topic_that_has_less_than_was_proven_was_made_anew(file, embedded, prefix):
    state = half_way(file, embedded, prefix, 1)
    found = orjson.loads(state.read_bytes())
    save(state, Progress(found["identity"], 1, {0: 10_000}))
    assert "was made anew" in run(file, bootstrap=embedded, prefix=prefix).stderr


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 1}', b'{"version":2,"identity":{},"rows":0,"furthest":{}}']
)
def test_what_is_no_restart_file_is_not_guessed_at(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(RestartFault, match="remove it to begin anew"):
        load(tmp_path / "state", {})


def test_a_restart_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    state = tmp_path / "state"
    save(state, Progress({"file": "a"}, 5, {0: 7}))

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(state, Progress({"file": "a"}, 6, {0: 8}))
    assert list(tmp_path.iterdir()) == [state]
    assert load(state, {"file": "a"}) == Progress({"file": "a"}, 5, {0: 7})


def test_where_no_restart_file_can_be_written_nothing_is_sent(file, embedded, prefix):
    done = run(file, "--restart-file", file.parent / "none" / "state", bootstrap=embedded, prefix=prefix)
    assert done.exit_code == 2
    assert "--restart-file" in done.stderr
    assert events(embedded, prefix) == []
