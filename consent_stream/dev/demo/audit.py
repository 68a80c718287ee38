"""Acts 8 and 9: the lists, rebuilt from the log, without an address; what was not understood, as it came."""

from __future__ import annotations

import re
from collections import Counter

from consent_stream.dev.demo import cast
from consent_stream.dev.demo.crowd import PEOPLE, mailbox, phone
from consent_stream.dev.demo.lists import Record, entries, newest, read_topic
from consent_stream.dev.demo.mailers import NotAsTold
from consent_stream.dev.demo.stage import Stage
from consent_stream.keyfile import load_keys
from consent_stream.policyfile import load_policy
from consent_stream.topology.fold import Folder
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.suppression import Entry
from consent_stream.wire.topics import CHANGES, LEDGER, QUARANTINE, STATE, SUPPRESSION, Topic

SHOWN = (cast.ANA, cast.BEN, cast.DAN, cast.EVA, cast.IVY, cast.JO, cast.LEO)
MOST_REASONS = 4
LIKE_OURS = re.compile(rb"[a-z]+[0-9]*@example\.[a-z]{3}|\+1[0-9]{10}|c-[a-z]+[0-9]*")

Topics = dict[str, list[Record]]


def the_lists(stage: Stage) -> None:
    """The suppression lists as a plain Kafka consumer sees them, equal to what the log says, and without an address."""
    stage.screen.act(
        8,
        "The suppression lists",
        "Read by a plain Kafka consumer, then compared with what the ledger says from its first fact on.",
    )
    with stage.screen.working("the stream rests; until both mailers have all of it"):
        stage.feed.rest()
        stage.settle()
    topics = _read(stage, (LEDGER, STATE, CHANGES, *SUPPRESSION.values()))
    lists = {channel: entries(newest(topics[topic.name])) for channel, topic in SUPPRESSION.items()}
    rows = [_counts(channel, found) for channel, found in lists.items()]
    stage.screen.table("Rows", ["list", "keys", "SUPPRESSED", "PARTIAL", "CLEAR", "why (most frequent)"], rows)
    _show_rows(stage, lists["email"])
    _compare_with_log(stage, topics)
    _find_no_address(stage, topics)


def quarantine(stage: Stage) -> None:
    """Everything that was not understood, byte for byte and once per record, with its code.

    Errors: NotAsTold when a record is missing, altered, or there without a cause.
    """
    stage.screen.act(
        9,
        "What was not understood",
        "No record disappears: garbage stands in quarantine as it came, with a code and its place.",
    )
    records = _read(stage, (QUARANTINE,))[QUARANTINE.name]
    found = {_place(record): (record.headers["consent-error-code"].decode(), record.value) for record in records}
    sent = {each.receipt: (each.code, each.value) for each in stage.feed.sent if each.code}
    if found != sent:
        differing = sorted(found.items() ^ sent.items())[:1]
        raise NotAsTold(
            f"quarantine differs from the garbage that was sent, first at {differing[0][0] if differing else '-'}"
        )
    said = {record.headers["consent-error-code"].decode(): record for record in records}
    counts = Counter(code for code, _ in found.values())
    rows = [[code, str(count), *_example(said[code])] for code, count in counts.most_common()]
    stage.screen.table("Codes", ["code", "records", "the last one: size, place", "what was wrong"], rows)
    stage.screen.say(f"{len(found)} records, each byte for byte as it came", good=True, quarantined=len(found))


def _read(stage: Stage, wanted: tuple[Topic, ...]) -> Topics:
    prefix = stage.settings.topic_prefix
    return {topic.name: read_topic(stage.settings, topic.full(prefix)) for topic in wanted}


def _counts(channel: str, found: dict[bytes, Entry]) -> list[str]:
    status = Counter(entry.status for entry in found.values())
    reasons = Counter(reason for entry in found.values() for reason in entry.reasons)
    why = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common(MOST_REASONS))
    return [
        f"suppression.{channel}",
        str(len(found)),
        *(str(status[s]) for s in ("SUPPRESSED", "PARTIAL", "CLEAR")),
        why,
    ]


def _show_rows(stage: Stage, found: dict[bytes, Entry]) -> None:
    assert stage.settings.keys is not None
    roots = load_keys(stage.settings.keys)
    keyring = Keyring(roots.keys, roots.current)
    rows = []
    for person in SHOWN:
        key = keyring.subject(cast.TENANT, "email", person.email)
        entry = found.get(key)
        if entry is None:
            raise NotAsTold(f"{person.name} is not on suppression.email")
        rows.append(
            [f"{key.hex()[:14]}…", person.name, entry.status, ", ".join(entry.reasons), ", ".join(entry.blocked_scopes)]
        )
    columns = ["key", "(only with the key file)", "status", "reasons", "blocked scopes"]
    stage.screen.table("Some rows of suppression.email", columns, rows)


def _compare_with_log(stage: Stage, topics: Topics) -> None:
    """Fold the whole ledger anew; rows of state and lists must come out with the same bytes."""
    policy, _ = load_policy(stage.policy)
    wanted: dict[str, dict[bytes, bytes]] = {STATE.name: {}, **{topic.name: {} for topic in SUPPRESSION.values()}}
    records = topics[LEDGER.name]
    for partition in {record.partition for record in records}:
        facts = [(r.offset, decode_fact(r.key, r.value)) for r in records if r.partition == partition]
        effects = Folder(policy).fold(facts, ((fact.key, None) for _, fact in facts))
        wanted[STATE.name] |= effects.rows
        for channel, key, entry in effects.entries:
            wanted[SUPPRESSION[channel].name][key] = entry
    for name, rows in wanted.items():
        live = newest(topics[name])
        if live != rows:
            keys = {key for key in live.keys() | rows.keys() if live.get(key) != rows.get(key)}
            raise NotAsTold(f"{name}: {len(keys)} of {len(rows)} rows differ from what the ledger says")
    total = sum(map(len, wanted.values()))
    stage.screen.say(
        f"rebuilt from {len(records)} facts of the ledger: {total} rows of state and lists, every byte equal, "
        "although a worker was killed in between", good=True, facts=len(records), rows=total,
    )  # fmt: skip


def _find_no_address(stage: Stage, topics: Topics) -> None:
    people = [person for person in vars(cast).values() if isinstance(person, cast.Person)] + list(cast.MANY)
    plain = {text for person in people for text in (person.email, person.phone, person.contact)}
    plain |= {text for number in range(PEOPLE) for text in (mailbox(number), phone(number))}
    bytes_of = b"\0".join(part for records in topics.values() for record in records for part in record[2:4])
    # Bytes of keys can look like anything; whatever looks like one of ours is compared in full.
    named = plain.intersection(found.decode() for found in LIKE_OURS.findall(bytes_of))
    if named:
        raise NotAsTold(f"{len(named)} plain addresses stand in the ledger, state, changes or lists")
    where = f"{len(bytes_of) / 1e6:.1f} MB of ledger, state, changes and lists"
    stage.screen.say(f"searched {where} for {len(plain)} addresses and contact ids: none found", good=True)


def _place(record: Record) -> tuple[int, int]:
    return int(record.headers["consent-error-partition"]), int(record.headers["consent-error-offset"])


def _example(record: Record) -> list[str]:
    partition, offset = _place(record)
    message = record.headers["consent-error-message"].decode()
    return [f"{len(record.value)} bytes, {partition}:{offset}", message]
