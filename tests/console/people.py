"""Ana's history in topics of the test, and searches that read them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from consent_stream.console import person
from consent_stream.console.search import Sought, Tell
from consent_stream.inspection import whyread
from consent_stream.settings import Settings
from tests.console.made import S, report, vector
from tests.inspection.log import Log
from tests.topology.made_up import NOON, event, granted
from tests.wire.samples import SENDS

ANA, CONTACT = "ana@example.com", "c-42"
MINUTE = 60 * S
LATER = NOON + 60 * MINUTE


def written() -> Log:
    """Ana consents, with her contact; then she opts out of everything by that contact, which reaches her mailbox."""
    found = Log(through=LATER)
    found.add(granted(email=ANA, contact=CONTACT), NOON)
    found.add(event("unsubscribe.global", "no", contact=CONTACT), NOON + 10 * MINUTE)
    key = found.keys.subject("acme", "email", ANA)
    at = NOON + 20 * MINUTE
    found.send(
        SENDS[0]._replace(
            tenant="acme", channel="email", purpose="marketing", scope="news", keys=(key,), bases=(),
            address_channel="email", bare=False, allow=True, reasons=(), checked=at, started=at, ended=at,
            outcome="handed_over",
        )
    )  # fmt: skip
    return found


def looking(monkeypatch: pytest.MonkeyPatch, log: Log) -> Callable[[Sought, Tell], Any]:
    """As the command looks people up, of these topics."""
    log.history(monkeypatch)  # puts its reader in place
    there = {"applied": vector(5, NOON + 11 * MINUTE), "settled": vector(5, NOON + 11 * MINUTE)}
    gates = [
        report("mta-1", written=NOON + 11 * MINUTE, **there),
        report("mta-1", written=LATER - S, **there),
        report("mta-2", written=LATER - S, applied=vector(0, NOON), settled=vector(0, NOON)),
    ]
    monkeypatch.setattr(whyread, "read_reports", lambda _: iter(gates))
    monkeypatch.setattr(whyread, "time", SimpleNamespace(time_ns=lambda: LATER * 1000))
    monkeypatch.setattr(person, "check_keys", lambda *_: None)

    def look(sought: Sought, tell: Tell) -> Any:
        return person.look_up(Settings(), log.keys, log.policy.notices, sought, tell)

    return look
