"""When is a withdrawal that was pressed just now enforced at each gate? Pure: clocks are arguments, in seconds.

1. A press is enforced at a gate once a report of that gate lies beyond it, `settled`: for every question.
2. Its time is from before the press until the report is heard, by one steady clock. Gates report once a second, so it
   is up to a second more than it was, and never less. Gates of our own, in `exactly`, have no such second.
3. A gate owes only what was pressed while it spoke. One that has said goodbye owes nothing; one that is silent is
   counted as silent, for nobody knows what it does. (Cut off from Kafka it denies everything after its own limit.)
4. A key is pressed again only when its last press was found in the ledger, so that no two can be mistaken.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from consent_stream.inspection.barrier import events_lag
from consent_stream.wire.gate_report import GateReport

SILENT = 10.0  # seconds without a report, as in `barrier`
GONE = 3600.0  # silent for so long, a gate is forgotten: its host is no more, as a rule
KEPT = 3600.0  # a press that was not found by then is lost
TRAIL = 128  # reports of one gate that are remembered: a press may be found in the ledger after it is enforced
Place = tuple[int, int]  # partition and offset in consent.events


class Name(NamedTuple):
    """A gate as people know it: sender and host, and its list. Processes of one sender and host are one."""

    gate: str
    list: str


class Enforced(NamedTuple):
    """A press was enforced at a gate, so many seconds after it was begun."""

    name: Name
    seconds: float


@dataclass
class Press:
    """One press. at: when it was begun. owed: gates that have not enforced it, by id."""

    key: bytes
    at: float
    owed: set[str]
    place: Place | None = None


@dataclass
class _Gate:
    name: Name
    trail: deque[tuple[float, GateReport]] = field(default_factory=lambda: deque(maxlen=TRAIL))

    @property
    def heard(self) -> float:
        return self.trail[-1][0]


class Canary:
    """keys: of the addresses that are pressed in turn. patience: seconds after which a press is overdue."""

    def __init__(self, keys: Sequence[bytes], patience: float) -> None:
        self._keys = deque(keys)
        self._patience = patience
        self._gates: dict[str, _Gate] = {}
        self._presses: list[Press] = []
        self.generation = 0  # of the lists that gates are to obey
        self.last: float | None = None  # when the newest press was begun that all gates have enforced

    def next_key(self, now: float) -> bytes | None:
        """The key to press now; None while every one is still on its way."""
        self._forget(now)
        busy = {press.key for press in self._presses if press.place is None}
        for _ in range(len(self._keys)):
            self._keys.rotate(-1)
            if self._keys[-1] not in busy:
                return self._keys[-1]
        return None

    def pressed(self, key: bytes, at: float) -> Press:
        """A press begins."""
        press = Press(key, at, {ident for ident, gate in self._gates.items() if at - gate.heard <= SILENT})
        self._presses.append(press)
        return press

    def failed(self, press: Press) -> None:
        """It was refused: nothing is on its way."""
        self._presses.remove(press)

    def found(self, key: bytes, place: Place) -> Iterator[Enforced]:
        """The press of this key lies there in consent.events. Yields gates that enforce it already."""
        press = next((each for each in self._presses if each.key == key and each.place is None), None)
        if press is None:
            return
        press.place = place
        for ident in list(press.owed):
            for at, report in self._gates[ident].trail:
                if at >= press.at and self._enforces(report, place):
                    yield self._settle(press, ident, at)
                    break

    def heard(self, report: GateReport, at: float) -> Iterator[Enforced]:
        """A gate has reported. Yields what it enforces by now."""
        if report.closing:
            self._drop(report.gate)
            return
        gate = self._gates.setdefault(report.gate, _Gate(Name(f"{report.name}@{report.host}", report.channel)))
        gate.trail.append((at, report))
        for press in self._presses:
            if press.place is not None and report.gate in press.owed and self._enforces(report, press.place):
                yield self._settle(press, report.gate, at)

    def names(self) -> set[Name]:
        """Gates that are known, silent ones too."""
        return {gate.name for gate in self._gates.values()}

    def placed(self) -> list[Press]:
        """Presses that are found in the ledger and still remembered."""
        return [press for press in self._presses if press.place is not None]

    def unenforced(self, now: float) -> dict[Name, int]:
        """How many presses each gate that speaks should have enforced by now, and has not."""
        counts = {gate.name: 0 for gate in self._gates.values()}
        for press in self._presses:
            if press.place is not None and now - press.at > self._patience:
                for ident in press.owed:
                    counts[self._gates[ident].name] += now - self._gates[ident].heard <= SILENT
        return counts

    def lost(self, now: float) -> int:
        """How many presses were answered, and should be in the ledger by now, and are not."""
        return sum(press.place is None and now - press.at > self._patience for press in self._presses)

    def states(self, now: float) -> dict[str, int]:
        """How many gates speak, and how many are silent."""
        silent = sum(now - gate.heard > SILENT for gate in self._gates.values())
        return {"speaking": len(self._gates) - silent, "silent": silent}

    def _enforces(self, report: GateReport, place: Place) -> bool:
        return events_lag(dict([place]), settled=True, generation=self.generation)(report) is None

    def _settle(self, press: Press, ident: str, at: float) -> Enforced:
        press.owed.discard(ident)
        if not press.owed:
            self.last = max(press.at, self.last or press.at)
        return Enforced(self._gates[ident].name, at - press.at)

    def _drop(self, ident: str) -> None:
        if self._gates.pop(ident, None) is not None:
            for press in self._presses:
                press.owed.discard(ident)

    def _forget(self, now: float) -> None:
        for ident in [ident for ident, gate in self._gates.items() if now - gate.heard > GONE]:
            self._drop(ident)
        # A press that all have enforced is of no more use, once the gates of our own had their look at it.
        self._presses = [
            press
            for press in self._presses
            if now - press.at < (KEPT if press.owed or press.place is None else self._patience)
        ]
