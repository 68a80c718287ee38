"""Scenarios through the very functions that the worker runs, without a broker: intake → ledger → fold → state → decide.

The state must be byte for byte the same in every order of the events, each of them doubled or not. Equal bytes are
equal answers, so the questions of a scenario are asked once for every state that occurs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from pathlib import Path
from random import Random
from typing import NamedTuple

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.events import CODES
from consent_stream.domain.nodes import PURPOSES
from consent_stream.gate.question import Subjects
from consent_stream.gate.question import subjects as gate_subjects
from consent_stream.scenario import Expectation, Scenario, read_scenarios
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import ROOT_KEY_BYTES, Keyring
from consent_stream.wire.ledger import decode_fact, encode_fact
from consent_stream.wire.state import decode_registers

PERMUTED = 6  # events whose every order is run: 720
SAMPLED = 200  # orders of more events
SEED = 0  # the same orders in every run, so that a failure can be run again

Order = Sequence[int]
LedgerRecord = tuple[bytes, bytes]  # subject key, encoded fact
State = dict[bytes, bytes]  # rows of the table by subject key


class Answer(NamedTuple):
    """What a mailer would be told. reasons: all of them, in the order of the rules; none means yes."""

    allow: bool
    reasons: tuple[str, ...]


@dataclass(slots=True)
class Report:
    """How one scenario went. faults: one line each, empty when every expectation held in every order."""

    name: str
    scenario: Scenario
    answers: list[Answer]
    quarantined: dict[str, str]
    state_digest: str
    orders: int
    faults: list[str] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return not self.faults


def run_file(path: Path | str) -> list[Report]:
    """Run all scenarios of a file.

    Errors: `ScenarioError` for a malformed file; `OSError` when it cannot be read. A law that is broken is no error:
    it stands in `Report.faults`.
    """
    return [run(scenario) for scenario in read_scenarios(Path(path))]


def run(scenario: Scenario) -> Report:
    """Run one scenario in all its orders."""
    keys = Keyring({0: bytes(ROOT_KEY_BYTES)})
    subjects = gate_subjects(keys)
    records, quarantined = _take_in(scenario, keys)
    given = tuple(range(len(records)))
    state = _fold(scenario, (records[i] for i in given), slice_size=1)
    answers = [_answer(asked, scenario, state, subjects) for asked in scenario.expect]
    report = Report(scenario.name, scenario, answers, quarantined, state_digest(state), 1)
    report.faults += wrong_answers(scenario, answers)
    report.faults += wrong_codes(scenario, quarantined)
    for order in orders(len(records)) if scenario.orders == "all" else ():
        report.orders += 1
        found = _fold(scenario, (records[i] for i in order))
        if found != state:
            report.faults.append(_differs(scenario, order, found, subjects))
            break  # one order to look at says more than a thousand
    return report


def expected_digest(scenario: Scenario) -> str:
    """The digest of the state that the events, in the order given, must come to."""
    records, _ = _take_in(scenario, Keyring({0: bytes(ROOT_KEY_BYTES)}))
    return state_digest(_fold(scenario, records))


def orders(count: int) -> Iterator[Order]:
    """Every permutation of up to six events, 200 seeded ones of more; each of them also with every event doubled."""
    singles = permutations(range(count)) if count <= PERMUTED else _sample(count)
    for number, order in enumerate(singles):
        yield order
        # By turns at once, as a producer repeats a send, and after all others, as a replay does.
        yield [i for i in order for _ in range(2)] if number % 2 else [*order, *order]


def _sample(count: int) -> Iterator[tuple[int, ...]]:
    """Different orders, drawn by a seed."""
    random, drawn = Random(SEED), set[tuple[int, ...]]()
    while len(drawn) < SAMPLED:
        order = tuple(random.sample(range(count), count))
        if order not in drawn:
            drawn.add(order)
            yield order


def _take_in(scenario: Scenario, keys: Keyring) -> tuple[list[list[LedgerRecord]], dict[str, str]]:
    """The ledger records of each event, and why events went to quarantine (of one id: the first code that applies)."""
    records: list[list[LedgerRecord]] = []
    quarantined: dict[str, str] = {}
    for offset, arrival in enumerate(scenario.arrivals):
        taken = take_in(arrival.value, arrival.received, (0, offset), scenario.policy, keys.subject)
        records.append([(fact.key, encode_fact(fact)) for fact in taken.facts])
        if taken.refusal is not None:
            note_code(quarantined, arrival.id, taken.refusal.code)
    return records, quarantined


def note_code(quarantined: dict[str, str], ident: str, code: str) -> None:
    """Events may share an id; what stands for it is the first code that applies."""
    quarantined[ident] = min(code, quarantined.get(ident, code), key=CODES.index)


def _fold(scenario: Scenario, records: Iterable[list[LedgerRecord]], slice_size: int | None = None) -> State:
    """The table after the facts of `records`, and those derived from them, in slices of `slice_size` (None: all)."""
    folder, state, offset = Folder(scenario.policy), State(), 0
    waiting = [record for each in records for record in each]
    while waiting:
        now, waiting = waiting[:slice_size], waiting[slice_size:] if slice_size else []
        facts = [(offset + i, decode_fact(key, value)) for i, (key, value) in enumerate(now)]
        offset += len(facts)
        effects = folder.fold(facts, [(key, state.get(key)) for key in dict.fromkeys(key for key, _ in now)])
        state.update(effects.rows)
        waiting += effects.derived
    return state


def _answer(asked: Expectation, scenario: Scenario, state: State, subjects: Subjects) -> Answer:
    """A check against the rows, of the very keys that a gate looks at (RULES §10)."""
    email, phone = (asked.address, None) if asked.channel == "email" else (None, asked.address)
    probed = subjects(asked.tenant, email, phone, None, asked.contact, asked.region)
    if probed.fault:
        return Answer(False, (probed.fault,))
    if asked.purpose not in PURPOSES:
        return Answer(False, ("unknown_purpose",))
    views = [
        View(decode_registers(state[key]), base)
        for base, keys in ((False, probed.keys), (True, probed.bases))
        for key in keys
        if key in state
    ]
    x = question(asked.purpose, asked.channel, asked.scope)
    reasons = decide(x, asked.at, views, scenario.policy.tenant(asked.tenant), asked.channel).reasons
    return Answer(not reasons, reasons)


def state_digest(state: State) -> str:
    """SHA-256 in hex over the sorted (key, row) bytes (WIRE §4)."""
    return hashlib.sha256(b"".join(key + state[key] for key in sorted(state))).hexdigest()


def wrong_answers(scenario: Scenario, answers: Iterable[Answer]) -> Iterator[str]:
    """A line for each answer that is not the expected one."""
    for number, (asked, answer) in enumerate(zip(scenario.expect, answers, strict=True)):
        if answer != (asked.allow, asked.reasons):
            told, wanted = said(answer), said(Answer(asked.allow, asked.reasons))
            yield f"expect[{number}] {asked}: {told}, not {wanted}"


def said(answer: Answer) -> str:
    """`allow`, or `deny` with its reasons."""
    return "allow" if answer.allow else f"deny ({', '.join(answer.reasons)})"


def wrong_codes(scenario: Scenario, quarantined: dict[str, str]) -> Iterator[str]:
    """A line for each event whose quarantine code, or lack of one, is not the expected one."""
    for ident in sorted({*quarantined, *scenario.quarantined}):
        found, wanted = quarantined.get(ident), scenario.quarantined.get(ident)
        if found != wanted:
            yield f"event {ident!r}: {_fate(found)}, not {_fate(wanted)}"


def _fate(code: str | None) -> str:
    return "not quarantined" if code is None else f"quarantined {code}"


def _differs(scenario: Scenario, order: Order, found: State, subjects: Subjects) -> str:
    answers = [_answer(asked, scenario, found, subjects) for asked in scenario.expect]
    wrong = f"{len(list(wrong_answers(scenario, answers)))} of {len(answers)} expectations fail in it"
    shown = " ".join(map(str, order))
    return f"the state depends on the order: events {shown} end in other bytes ({wrong})"
