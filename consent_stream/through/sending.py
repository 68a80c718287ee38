"""One run: events in with their append times, the wait until they are enforced, and what came out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from threading import Event
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from consent_stream.domain.nodes import CHANNELLESS
from consent_stream.gate import Gate
from consent_stream.scenario import Arrival, Expectation, Scenario
from consent_stream.simulate import Answer, note_code, said, state_digest
from consent_stream.through.deployment import KEYRING, Deployment
from consent_stream.topics import TIMEOUT
from consent_stream.wire.topics import EVENTS, QUARANTINE, STATE, Topic

ENFORCED_S = 60.0  # a worker is at work after two seconds; a busy machine may start several at once
LOOK_S = 0.25  # between two looks at whether the worker lives
# Append times are not of now, so the age of a list says nothing here; that all is in is proven by the receipts.
NO_LIMIT_S = 1e9

Place = tuple[int, int]  # partition, offset in `consent.events`


class Broken(Exception):
    """The run came to no answers; the text says why."""


class Interrupted(Exception):
    """Somebody wants this to end."""


class Outcome(NamedTuple):
    """What came out. disagreeing: a line each for lists that answer differently."""

    answers: list[Answer]
    quarantined: dict[str, str]
    state_digest: str
    disagreeing: list[str]


def send_and_ask(scenario: Scenario, sent: Sequence[tuple[int, Arrival]], at: Deployment, stop: Event) -> Outcome:
    """Send records ((partition, arrival) each), wait until all are enforced, and ask every question.

    Errors: Broken; Interrupted once `stop` is set; KafkaException.
    """
    with ExitStack() as closing:
        needed = dict.fromkeys(name for asked in scenario.expect for name in _lists(asked))
        gates = {
            name: closing.enter_context(Gate(at.settings, channel=name, keys=KEYRING, staleness_limit=NO_LIMIT_S))
            for name in needed or ("email",)  # without a question too a list says when all is in
        }
        places = _send(at, sent)
        last = dict(sorted(places))
        for name, gate in gates.items():
            _await(f"the {name} list is ready", gate, gate.wait_ready, at, stop)
            for receipt in last.items():
                # The settled vector, also for a question that names the contact: what it expects may hang on a fact
                # that came to the contact by way of an address, one derivation later.
                def enforced(seconds: float, gate: Gate = gate, receipt: Place = receipt) -> bool:
                    return gate.wait_for(receipt, seconds)

                _await(f"receipt {receipt[0]}:{receipt[1]} is enforced in the {name} list", gate, enforced, at, stop)
        answers, disagreeing = _ask(scenario.expect, gates)
    idents = {place: arrival.id for place, (_, arrival) in zip(places, sent, strict=True)}
    rows = {m.key(): m.value() for m in _read(at, STATE)}
    return Outcome(answers, _quarantined(at, idents), state_digest(rows), disagreeing)


def _lists(asked: Expectation) -> tuple[str, ...]:
    """The lists that know the answer: that of the channel, which all decides, and for its purposes the sharing list."""
    return (asked.channel, "sharing") if asked.purpose in CHANNELLESS else (asked.channel,)


def _send(at: Deployment, sent: Sequence[tuple[int, Arrival]]) -> list[Place]:
    """The receipts, in the order of `sent`, which is also the order within each partition."""
    producer = Producer(at.settings.producer(**{"log_level": 0, "message.timeout.ms": int(ENFORCED_S * 1000)}))
    places: dict[int, Place] = {}
    refused: list[KafkaError] = []

    def proven(number: int, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            refused.append(error)
        else:
            places[number] = message.partition(), message.offset()

    for number, (partition, arrival) in enumerate(sent):
        producer.produce(
            EVENTS.full(at.settings.topic_prefix),
            arrival.value,
            partition=partition,
            timestamp=arrival.received // 1000,
            on_delivery=lambda error, message, number=number: proven(number, error, message),
        )
    producer.flush(ENFORCED_S + TIMEOUT)
    if refused:
        raise KafkaException(refused[0])
    return [places[number] for number in range(len(sent))]


def _await(what: str, gate: Gate, reached: Callable[[float], bool], at: Deployment, stop: Event) -> None:
    deadline = time.monotonic() + ENFORCED_S
    while not reached(LOOK_S):
        if stop.is_set():
            raise Interrupted
        if (why := at.why_ended()) is not None:
            raise Broken(f"the worker ended with {why}")
        if time.monotonic() > deadline:
            raise Broken(f"not within {ENFORCED_S:.0f} s: {what} ({gate.status().trouble or 'the worker runs'})")


def _ask(expected: Sequence[Expectation], gates: Mapping[str, Gate]) -> tuple[list[Answer], list[str]]:
    answers: list[Answer] = []
    disagreeing: list[str] = []
    for number, asked in enumerate(expected):
        told = [(name, _answer(asked, gates[name])) for name in _lists(asked)]
        answers.append(told[0][1])
        if len({answer for _, answer in told}) > 1:
            each = ", ".join(f"the {name} list {said(answer)}" for name, answer in told)
            disagreeing.append(f"expect[{number}] {asked}: {each}")
    return answers, disagreeing


def _answer(asked: Expectation, gate: Gate) -> Answer:
    email, phone = (asked.address, None) if asked.channel == "email" else (None, asked.address)
    verdict = gate.check(
        tenant=asked.tenant,
        email=email,
        phone=phone,
        contact=asked.contact,
        region=asked.region,
        purpose=asked.purpose,
        scope=asked.scope,
        at=asked.at,
    )
    return Answer(verdict.allow, verdict.reasons)


def _quarantined(at: Deployment, idents: Mapping[Place, str]) -> dict[str, str]:
    """{event id: code}, as the headers tell."""
    found: dict[str, str] = {}
    for message in _read(at, QUARANTINE):
        headers = {name: raw.decode() for name, raw in message.headers() or ()}
        place = int(headers["consent-error-partition"]), int(headers["consent-error-offset"])
        note_code(found, idents[place], headers["consent-error-code"])
    return found


def _read(at: Deployment, topic: Topic) -> Iterator[Message]:
    """Every committed record of a topic, in the order of each partition. Errors: KafkaException, Broken."""
    name = topic.full(at.settings.topic_prefix)
    # No group is joined. The end of an empty partition shows once the broker has waited for more.
    over = {"group.id": "simulation-unused", "enable.partition.eof": True, "fetch.wait.max.ms": 20, "log_level": 0}
    consumer = Consumer(at.settings.consumer(**over))
    try:
        open_ends = set(consumer.list_topics(name, timeout=TIMEOUT).topics[name].partitions)
        consumer.assign([TopicPartition(name, each, 0) for each in open_ends])
        deadline = time.monotonic() + ENFORCED_S
        while open_ends:
            message = consumer.poll(LOOK_S)
            if message is None:
                if time.monotonic() > deadline:
                    raise Broken(f"the end of {topic.name} was not reached within {ENFORCED_S:.0f} s")
            elif (error := message.error()) is None:
                yield message
            elif error.code() == KafkaError._PARTITION_EOF:
                open_ends.discard(message.partition())
            else:
                raise KafkaException(error)
    finally:
        consumer.close()
