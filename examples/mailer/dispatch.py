"""One message, from the queue to the mail server or not: what a denial means, and what a failure.

1. The gate is asked at the very end, between the recipient and DATA, and anew at every try.
2. A gate that cannot answer, or was stopped, holds the message; a person's no drops it.
3. A server's "later" and a broken link mean later. Its "never" means never, and `consent.events` hears of it.
"""

import json
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from outbox import Message, Outbox
from smtp import Link, Mail, Refused

from consent_stream import Gate, Verdict
from consent_stream.publisher import Publisher, Unproven

NO_ANSWER = {"stopped", "not_ready", "stale", "unknown_tenant_key"}  # of the gate, not of the person
ABOUT = ("tenant", "email", "phone", "contact", "region", "purpose", "scope")  # what the gate is asked
HOLD_S = 1.0
FIRST_RETRY_S, LONGEST_RETRY_S, MOST_TRIES = 2.0, 3600.0, 20  # half a day in all
MOST_BEGUN = 2  # hand-overs whose end is unknown: each may have reached the person


class Dispatcher:
    """For one thread. gates: by channel. mail: None for a trial, without the hand-over. source: that of bounces."""

    def __init__(
        self,
        outbox: Outbox,
        gates: dict[str, Gate],
        mail: Mail | None,
        publisher: Publisher,
        source: str,
        tell: Callable[[dict[str, Any]], None],
    ) -> None:
        self._outbox, self._gates, self._mail, self._tell = outbox, gates, mail, tell
        self._publisher, self._source = publisher, source
        self._held: dict[str, tuple[str, ...]] = {}  # told already

    def step(self) -> bool:
        """One message that is due; False when none is."""
        message = self._outbox.take()
        if message is None:
            return False
        if message.bounce is not None:
            self._tell_bounce(message, message.bounce)
        elif message.begun >= MOST_BEGUN:
            self._end(message, None, ("end_unknown",))
        else:
            self._try(message)
        return True

    def _try(self, message: Message) -> None:
        try:
            verdict, sent = self._send(message)
        except Refused as refused:
            if not refused.permanent:
                self._again(message, str(refused), message.begun)
            elif refused.status is None:
                self._end(message, False, (str(refused),))
            else:  # whether that status makes an address undeliverable is a rule, and the worker's to apply
                self._outbox.bounced(message, refused.status)
                self._say(message, False, (str(refused), refused.status))
                self._tell_bounce(message, refused.status)
        except (OSError, smtplib.SMTPException) as error:
            self._again(message, type(error).__name__, None)
        except ValueError as error:  # a text that no mail can hold, an address that this server cannot take
            self._end(message, False, (type(error).__name__,))
        else:
            if NO_ANSWER & set(verdict.reasons):
                self._hold(message, verdict)
            else:
                trial = {} if sent or not verdict else {"trial": True}
                self._end(message, sent, verdict.reasons, verdict, **trial)

    def _send(self, message: Message) -> tuple[Verdict, bool]:
        content = message.content
        asked = {name: content[name] for name in ABOUT if name in content}
        with self._gates["email" if "email" in content else "sms"].sending(**asked, message_id=message.id) as permit:
            if not permit:
                return permit.verdict, False
            if self._mail is None or "email" not in content:  # a trial; for texts, speak to a provider here
                permit.skip()
                return permit.verdict, False
            with Link(content, self._mail) as link:
                self._outbox.begin(message)
                if verdict := permit.ensure():
                    link.hand_over()
        return verdict, verdict.allow

    def _hold(self, message: Message, verdict: Verdict) -> None:
        self._outbox.later(message, HOLD_S, message.tries, message.begun)
        if self._held.get(message.id) != verdict.reasons:
            self._held[message.id] = verdict.reasons
            self._say(message, False, verdict.reasons, verdict, held=True)

    def _again(self, message: Message, why: str, begun: int | None) -> None:
        """begun: None when it is unknown what became of this try."""
        wait = min(FIRST_RETRY_S * 2**message.tries, LONGEST_RETRY_S)
        if message.tries + 1 >= MOST_TRIES:
            self._end(message, False, (why, "given_up"))
            return
        self._outbox.later(message, wait, message.tries + 1, begun)
        self._say(message, False, (why,), retry_s=wait)

    def _tell_bounce(self, message: Message, status: str) -> None:
        event = {
            "specversion": "1.0", "id": f"bounce-{message.id}", "source": self._source,
            "type": "delivery.bounced.v1", "time": datetime.now(UTC).isoformat(), "tenant": message.content["tenant"],
            "data": {"email": message.content["email"], "channel": "email", "status": status},
        }  # fmt: skip
        self._publisher.send(1, json.dumps(event).encode())
        try:
            list(self._publisher.rest())
        except Unproven:  # it stays in the queue and is told again: an event counts once however often it comes
            self._outbox.later(message, FIRST_RETRY_S, message.tries, message.begun)
        else:
            self._outbox.done(message)

    def _end(
        self, message: Message, sent: bool | None, why: tuple[str, ...], verdict: Verdict | None = None, **more: Any
    ) -> None:
        self._held.pop(message.id, None)
        self._outbox.done(message)
        self._say(message, sent, why, verdict, **more)

    def _say(
        self, message: Message, sent: bool | None, why: tuple[str, ...], verdict: Verdict | None = None, **more: Any
    ) -> None:
        behind = verdict.staleness if verdict is not None else None
        self._tell({"message": message.id, "sent": sent, "reasons": why, "behind_s": behind, **more})
