"""What counts as done: nothing that Kafka has not proven, whatever ends an import."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consent_stream.importing.events import Batch, tell
from consent_stream.importing.restart import Progress, load
from consent_stream.importing.rows import Row
from consent_stream.importing.sending import send
from consent_stream.importing.survey import Item
from consent_stream.importing.voiding import Voidable, void_event
from consent_stream.publisher import Receipt, Unproven
from consent_stream.wire.keys import SUBJECT_KEY_BYTES

BATCH = Batch("acme", "/import/csv", "b", "ab" * 32)


class Kafka:
    """Proves records in order until it has taken `most`; then it refuses, as `Publisher` does."""

    def __init__(self, most: int) -> None:
        self.left, self.open, self.taken = most, [], []

    def send(self, line, value):
        self.open.append((line, value))

    def proven(self, wait=0.0):
        if self.open:  # one a call: what is proven lags behind what is sent
            yield from self._prove()

    def rest(self):
        while self.open:
            yield from self._prove()

    def _prove(self):
        line, value = self.open[0]
        if not self.left:
            raise Unproven(f"line {line}: refused")
        self.left -= 1
        self.open.pop(0)
        self.taken.append(orjson.loads(value)["id"])
        yield Receipt(line, 0, len(self.taken))


def items(statuses):
    for number, status in enumerate(statuses, 1):
        row = Row(str(number), str(number), status, f"p{number}@example.com")
        yield Item(number, row, tell(row, BATCH))


@settings(deadline=None)
@given(st.lists(st.sampled_from(["bounced", "subscribed", "skipped", ""]), min_size=1, max_size=300), st.data())
def test_refused_anywhere_the_next_run_sends_all_that_was_not_proven(tmp_path_factory, statuses, data):
    state = tmp_path_factory.mktemp("sending") / "state"
    wanted = [f"b:{BATCH.digest[:12]}:{number}" for number, each in enumerate(statuses, 1) if each == "bounced"]
    most = data.draw(st.integers(0, len(wanted)))
    first = Kafka(most)
    if most < len(wanted):
        with pytest.raises(Unproven):
            send(items(statuses), first, load(state, {}), state, lambda: False, lambda rows: None)
    else:
        assert send(items(statuses), first, load(state, {}), state, lambda: False, lambda rows: None)
    second = Kafka(1000)
    assert send(items(statuses), second, load(state, {}), state, lambda: False, lambda rows: None)
    assert first.taken + second.taken == wanted


def test_who_is_asked_to_stop_ends_with_everything_sent_proven(tmp_path):
    kafka, asked = Kafka(1000), []
    state = tmp_path / "state"

    def stopping():
        asked.append(1)
        return len(asked) > 1

    whole = send(items(["bounced"] * 300), kafka, Progress({}), state, stopping, lambda rows: None)
    assert not whole
    assert 0 < len(kafka.taken) < 300
    assert load(state, {}).rows == len(kafka.taken)


def test_a_void_names_a_key_and_no_address_and_is_the_same_each_time():
    key = bytes((1, 97, 0)) + bytes(16)
    assert len(key) == SUBJECT_KEY_BYTES
    first, second = (void_event(Voidable(key, "email"), "acme", "/import/void", "b") for _ in range(2))
    assert first == second
    event = orjson.loads(first)
    assert event["data"] == {"keys": [key.hex()], "voids": ["batch:b"], "channel": "email"}
    long = orjson.loads(void_event(Voidable(key, None), "acme", "/import/void", "b" * 256))
    assert len(long["id"]) <= 256
    assert "channel" not in long["data"]
