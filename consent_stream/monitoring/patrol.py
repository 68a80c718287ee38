"""The canary at work: it presses now and then, hears what gates report, and says when one owes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from queue import Empty, SimpleQueue

from confluent_kafka import KafkaException

from consent_stream.gate import Gate
from consent_stream.inspection.topicread import Unread
from consent_stream.monitoring.canary import Canary, Enforced, Name
from consent_stream.monitoring.canary import Press as Open
from consent_stream.monitoring.metrics import Metrics
from consent_stream.monitoring.onlooker import look_on
from consent_stream.monitoring.pressing import Press, Pressed
from consent_stream.monitoring.watch import Found, Watch
from consent_stream.settings import Settings
from consent_stream.topics import Unreachable, active_generation
from consent_stream.wire.avro import WireError
from consent_stream.wire.gate_report import GateReport
from consent_stream.wire.topics import SUPPRESSION

GLANCE = 0.02  # seconds between two looks: so exact are the times of our own gates
ACQUAINT = 3.0  # seconds of listening before the first press: a gate says once a second that it is there
AGAIN = 1.0  # seconds between two tries to listen
EXACT = "canary (exact)"  # our own gates: not what any mailer obeys, but its time to a few hundredths of a second
Say = Callable[[str], None]


class Patrol:
    """keys: of the addresses. press: how. say: is told in one line what went wrong, and that it is well again."""

    def __init__(
        self, settings: Settings, keys: Sequence[bytes], press: Press, *, every: float, patience: float, say: Say
    ) -> None:
        self._settings, self._keys, self._press, self._say = settings, keys, press, say
        self._every, self._patience = every, patience
        self.canary = Canary(keys, patience)
        apart = time.time() - time.monotonic()
        self.metrics = Metrics(self.canary, time.monotonic, lambda at: at + apart)
        self._own: dict[str, Gate] = {}
        self._exact: set[tuple[float, str]] = set()  # which press was seen at which gate of ours
        self._watch: Watch | None = None
        self._trouble: str | None = None
        self._owing: frozenset[Name] = frozenset()
        self._under_way: Open | None = None
        self._answers: SimpleQueue[Pressed] = SimpleQueue()
        self.newest: Open | None = None  # the press that was begun last
        self.slowest = 0.0  # seconds of the slowest enforcement that was seen
        self.spoke = 0  # gates that spoke when it was begun

    @property
    def listening(self) -> bool:
        """Whether reports and the ledger are being read."""
        return self._watch is not None

    def run(self, over: Callable[[], bool]) -> None:
        """Until it is over."""
        with ExitStack() as stack:
            for channel in SUPPRESSION:
                self._own[channel] = stack.enter_context(look_on(self._settings, channel))
            due = None
            while not over():
                if self._watch is None and not self._listen():
                    time.sleep(AGAIN)
                    continue
                now = time.monotonic()
                due = now + ACQUAINT if due is None else due
                if self._under_way is None and now >= due:
                    self._begin()
                    due = max(due + self._every, time.monotonic())
                self._hear()
                self._look()
                self._hear_answer()
                self._tell()
            if self._watch is not None:
                self._watch.close()

    def _listen(self) -> bool:
        try:
            self.canary.generation = active_generation(self._settings)
            self._watch = Watch(self._settings, self._keys, self.canary.generation)
        except (Unread, Unreachable, WireError) as error:
            self._troubled(str(error))
        except KafkaException as error:
            self._troubled(f"Kafka did not answer, or refused: {error.args[0].str()}")
        else:
            self._troubled(None)
        return self._watch is not None

    def _begin(self) -> None:
        """A press, on a thread: an edge takes its time, and reports must be heard when they come."""
        self._mind_the_generation()
        now = time.monotonic()
        with self.metrics.lock:
            key = self.canary.next_key(now)
            if key is not None:
                self._under_way = self.newest = self.canary.pressed(key, now)
                self.spoke = self.canary.states(now)["speaking"]
            self.metrics.keep(self.canary.names() | {Name(EXACT, channel) for channel in self._own})
        if key is None:
            self.metrics.press("held")
            return

        def press(key: bytes = key) -> None:
            self._answers.put(self._press(key))

        threading.Thread(target=press, name="press", daemon=True).start()

    def _mind_the_generation(self) -> None:
        try:
            active = active_generation(self._settings)
        except (Unreachable, WireError, KafkaException):
            return  # the reports will show whether anything is wrong
        if active != self.canary.generation and self._watch is not None:
            self._watch.close()
            self._watch = None
            self._listen()

    def _hear_answer(self) -> None:
        try:
            pressed = self._answers.get_nowait()
        except Empty:
            return
        press, self._under_way = self._under_way, None
        assert press is not None
        with self.metrics.lock:
            if pressed.place is not None:
                self._observe(self.canary.found(press.key, pressed.place))
            elif pressed.trouble is not None and press.place is None:
                self.canary.failed(press)
        self.metrics.press("accepted" if pressed.trouble is None else "failed")
        self._troubled(pressed.trouble)

    def _hear(self) -> None:
        if self._watch is None:
            return
        try:
            heard = list(self._watch.take(GLANCE))
        except KafkaException as error:
            self._troubled(f"cannot read on: {error.args[0].str()}")
            self._watch.close()
            self._watch = None
            return
        now = time.monotonic()
        with self.metrics.lock:
            for each in heard:
                if isinstance(each, GateReport):
                    self._observe(self.canary.heard(each, now))
                elif isinstance(each, Found):
                    self._observe(self.canary.found(each.key, each.place))

    def _look(self) -> None:
        """At our own gates, whose times have no second of reports in them."""
        placed = self.canary.placed()
        for press in placed:
            for channel, gate in self._own.items():
                seen = (press.at, channel)
                if seen not in self._exact and press.place is not None and gate.wait_for(press.place, 0):
                    self._exact.add(seen)
                    self.metrics.enforced(Enforced(Name(EXACT, channel), time.monotonic() - press.at))
        self._exact = {(at, channel) for at, channel in self._exact if any(press.at == at for press in placed)}

    def _observe(self, found: Iterable[Enforced]) -> None:
        for each in found:
            self.slowest = max(self.slowest, each.seconds)
            self.metrics.enforced(each)

    def _tell(self) -> None:
        owed = self.canary.unenforced(time.monotonic())
        owing = frozenset(name for name, count in owed.items() if count)
        if owing != self._owing:
            self._owing = owing
            names = ", ".join(f"{gate} ({channel})" for gate, channel in sorted(owing))
            self._say(
                f"not enforced within {self._patience:g} s at {names}" if owing else "enforced at every gate again"
            )

    def _troubled(self, trouble: str | None) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            self._say(trouble or "all is well again")
