"""What an import would change, by the functions that will take it in: intake → fold → decide, on the list as it is.

The rows of a list hold all that decides about it, but two things that only the worker's state has: links between
contacts and addresses that were told before, and deliveries to addresses that never bounced. So what a link would carry
on to other addresses is not counted, and an address that was delivered to after a bounce in the file is counted as
denied though it will not be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from consent_stream.domain.clearing import View
from consent_stream.domain.decide import decide, question
from consent_stream.domain.facts import Fact
from consent_stream.domain.nodes import ANY, valid_scope
from consent_stream.domain.policy import Policy
from consent_stream.gate.question import Asked, subjects
from consent_stream.gate.rows import read_row
from consent_stream.importing.events import INCOMPLETE, Batch
from consent_stream.importing.rows import Row
from consent_stream.importing.survey import Item
from consent_stream.topology.fold import Folder
from consent_stream.topology.intake import take_in
from consent_stream.wire.keys import Keyring
from consent_stream.wire.ledger import decode_fact
from consent_stream.wire.state import decode_registers, encode_registers

SLICE = 1000  # rows folded at once
Stored = Callable[[bytes], bytes | None]  # a row of the list, by subject key
Place = tuple[Asked, str, bool]  # whom and at which scope; whether the file says subscribed there


@dataclass
class Difference:
    """Counts of addresses, each at the scope of its rows: marketing there, before and after the whole file.

    A row of all scopes (`*`) is looked at in every scope that the address has a grant for, too. newly_denied: allowed
    before and denied after, at one of them. already_denied: denied before and after, of those that the file
    restricts. still_denied: the file says subscribed, and a no or the lack of proof stands. newly_allowed: denied
    before. still_allowed: allowed before and after. reasons: why those of still_denied are. quarantined: events by
    code, as the intake would.
    """

    addresses: int = 0
    newly_denied: int = 0
    already_denied: int = 0
    still_denied: int = 0
    newly_allowed: int = 0
    still_allowed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    quarantined: Counter[str] = field(default_factory=Counter)


class Comparison:
    """Takes the rows of an import, then tells the difference. About a KiB of memory an address.

    stored: rows of the list of the batch's channel, as a gate keeps them. at: now, in microseconds; the events count as
    received then.
    """

    def __init__(self, batch: Batch, stored: Stored, keyring: Keyring, policy: Policy, at: int) -> None:
        self._batch, self._stored, self._keyring, self._policy, self._at = batch, stored, keyring, policy, at
        self._asked = subjects(keyring)
        self._folder = Folder(policy)
        self._rows: dict[bytes, bytes] = {}  # state rows of the keys that the file touched
        self._waiting: list[Fact] = []
        self._offset = 0
        self._places: dict[tuple[bytes, str], Place] = {}
        self._found = Difference()

    def take(self, items: Iterable[Item]) -> None:
        """Rows of the file, in any order: the merge is a join."""
        for number, item in enumerate(items, 1):
            self._take(item)
            if number % SLICE == 0:
                self._fold()
        self._fold()

    def difference(self) -> Difference:
        """The verdicts before and after all that was taken."""
        found = self._found
        found.addresses = len(self._places)
        for asked, scope, subscribed in self._places.values():
            was, now = self._views(asked, {}), self._views(asked, self._rows)
            scopes = [scope, *sorted(self._granted([*was, *now]) - {scope} if scope == ANY else ())]
            answers = [(self._reasons(each, was), self._reasons(each, now)) for each in scopes]
            if any(after and not before for before, after in answers):
                found.newly_denied += 1
            elif any(before and not after for before, after in answers):
                found.newly_allowed += 1
            elif not all(after for _, after in answers):
                found.still_allowed += 1
            elif subscribed:
                found.still_denied += 1
                found.reasons.update(answers[0][1])
            else:
                found.already_denied += 1
        return found

    def _granted(self, views: Iterable[View]) -> set[str]:
        """Scopes of marketing in the channel that some grant is about."""
        found = {grant.node for view in views if not view.base for grant in view.registers.grants}
        return {x.scope for x in found if x.purpose == "marketing" and x.channel == self._batch.channel}

    def _take(self, item: Item) -> None:
        fate, value = item.told
        if value is not None:
            place = (0, item.number)
            taken = take_in(value, self._at, place, self._policy, self._keyring.subject, self._keyring.older)
            self._waiting += taken.facts
            if taken.refusal is not None:
                self._found.quarantined[taken.refusal.code] += 1
        if value is not None or fate == INCOMPLETE:
            self._ask_later(item.row)

    def _ask_later(self, row: Row) -> None:
        batch = self._batch
        email, phone = (row.address, None) if batch.channel == "email" else (None, row.address)
        asked = self._asked(batch.tenant, email, phone, None, None, row.region or batch.region or None)
        if asked.fault:  # an address that is none is denied before and after
            return
        scope = row.scope or batch.scope
        scope = scope if valid_scope(scope) else ANY
        known = self._places.get((asked.keys[0], scope))
        subscribed = row.status == "subscribed" and (known is None or known[2])
        self._places[asked.keys[0], scope] = (asked, scope, subscribed)

    def _fold(self) -> None:
        """What waits, and what follows from it over links, joined into the rows that stand."""
        while self._waiting:
            facts = [(self._offset + at, fact) for at, fact in enumerate(self._waiting)]
            self._offset += len(facts)
            keys = dict.fromkeys(fact.key for _, fact in facts)
            effects = self._folder.fold(facts, [(key, self._rows.get(key) or self._row(key)) for key in keys])
            self._rows.update(effects.rows)
            self._waiting = [decode_fact(key, value) for key, value in effects.derived]

    def _row(self, key: bytes) -> bytes | None:
        stored = self._stored(key)
        return None if stored is None else encode_registers(read_row(stored).registers)

    def _views(self, asked: Asked, rows: Mapping[bytes, bytes]) -> list[View]:
        views = []
        for base, keys in ((False, asked.keys), (True, asked.bases)):
            for key in keys:
                row = rows.get(key) or self._row(key)
                if row is not None:
                    views.append(View(decode_registers(row), base))
        return views

    def _reasons(self, scope: str, views: Sequence[View]) -> tuple[str, ...]:
        rules = self._policy.tenant(self._batch.tenant)
        x = question("marketing", self._batch.channel, scope)
        return decide(x, self._at, views, rules, self._batch.channel).reasons
