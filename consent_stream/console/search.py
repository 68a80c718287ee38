"""Looking one person up: the address becomes subject keys while the request is read, and only the keys go on.

Reading a ledger of years takes a while, so it happens on a thread, and a page of its own tells how far it is. What is
found is kept for some minutes under an id that nobody can guess; no address, contact or key stands in a URL.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from confluent_kafka import KafkaException

from consent_stream.domain.nodes import PURPOSES, valid_scope
from consent_stream.domain.times import parse_instant
from consent_stream.inspection.late import Case
from consent_stream.inspection.topicread import Unread
from consent_stream.inspection.whyread import Asked, NoKey, case_for
from consent_stream.topics import Unreachable
from consent_stream.wire.keys import Keyring
from consent_stream.wire.stops import Covered, Stop, covering

log = logging.getLogger(__name__)
AT_ONCE = 2  # readers of the log
WAITING = 8  # further ones
KEPT_US = 600_000_000
MOST_KEPT = 50
KINDS = {"email": "Mail address", "phone": "Phone number", "contact": "Contact id", "key": "Subject key (hex)"}
CHANNELS = ("email", "sms", "sharing")
NO_ADDRESS = "That is no address, number, contact or key that can be looked up."
NO_KEY = "There is no key material for that tenant in the console's key file, or that is no contact or key."
T = TypeVar("T")
Tell = Callable[[str, int, int], None]


class Sought(NamedTuple):
    """Who is looked up, and for which question, by subject keys alone. cautions: why the answer may not be all.

    at: the instant to decide for; known_at: what was received later is left out (µs; None is now).
    """

    case: Case
    cautions: tuple[str, ...] = ()
    at: int | None = None
    known_at: int | None = None


class BadForm(ValueError):
    """A form that asks nothing. The text is a sentence for who filled it in; it quotes nothing."""


class Reader:
    """Reads forms; an address goes no further than this."""

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def __call__(self, form: Mapping[str, str]) -> Sought:
        """What a form asks. Errors: BadForm."""
        tenant, kind, said = (form.get(name, "").strip() for name in ("tenant", "kind", "who"))
        purpose, scope = form.get("purpose", ""), form.get("scope", "").strip() or "*"
        if not tenant or not said or kind not in KINDS:
            raise BadForm("Give a tenant, and whom to look up.")
        if purpose not in PURPOSES or not valid_scope(scope):
            raise BadForm("Choose one of the purposes, and a scope such as news/weekly, or * for all.")
        channel = form.get("channel") or ("sms" if kind == "phone" else "email")
        if channel not in CHANNELS or (kind, channel) in (("email", "sms"), ("phone", "email")):
            raise BadForm("Choose one of the lists on which that may stand.")
        at, known_at = _instant(form, "at"), _instant(form, "known_at")
        given = {"keys": (said,)} if kind == "key" else {kind: said}
        try:
            case, cautions = case_for(Asked(tenant, channel, purpose=purpose, scope=scope, **given), self.keyring)
        except NoKey:
            raise BadForm(NO_KEY) from None
        if not case.keys:
            raise BadForm(NO_ADDRESS)
        return Sought(case, tuple(cautions), at, known_at)


def _instant(form: Mapping[str, str], name: str) -> int | None:
    said = form.get(name, "").strip()
    found = parse_instant(said)
    if said and found is None:
        raise BadForm("Write an instant as 2026-03-01T12:00:00Z, or leave it empty for now.")
    return found


def stopped(sought: Sought, stops: Mapping[Covered, Stop]) -> Sought:
    """With a caution for each kill switch that stops this person's messages now, whatever the answer."""
    if sought.at is not None or sought.known_at is not None:
        return sought
    told = tuple(
        f"sending is stopped ({tenant}, {channel}), by {stop.by}: {stop.reason}"
        for (tenant, channel), stop in covering(stops, sought.case.tenant, sought.case.channel)
    )
    return sought._replace(cautions=sought.cautions + told)


@dataclass
class Job(Generic[T]):
    """One search. what, done, of: what is read, and how much of it. found: at last; trouble: why there is none."""

    sought: Sought
    begun: int  # µs
    what: str = ""
    done: int = 0
    of: int = 0
    found: T | None = None
    trouble: str | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.found is not None or self.trouble is not None


class Busy(Exception):
    """So many are being looked up that no further one is taken."""


class _Ended(Exception):
    """The console ends."""


class Jobs(Generic[T]):
    """Searches under way and done. look: reads the log, on a thread. clock: µs."""

    def __init__(self, look: Callable[[Sought, Tell], T], clock: Callable[[], int]) -> None:
        self._look, self._clock = look, clock
        self._jobs: OrderedDict[str, Job[T]] = OrderedDict()
        self._threads = ThreadPoolExecutor(AT_ONCE, "console-search")
        self._ending = threading.Event()

    def begin(self, sought: Sought) -> str:
        """The id under which it will be found. Errors: Busy."""
        self._forget()
        if sum(not job.over for job in self._jobs.values()) >= AT_ONCE + WAITING:
            raise Busy
        ident, job = secrets.token_urlsafe(16), Job[T](sought, self._clock())
        self._jobs[ident] = job
        self._threads.submit(self._run, job)
        return ident

    def get(self, ident: str) -> Job[T] | None:
        """The search of that id, if it is still kept."""
        self._forget()
        return self._jobs.get(ident)

    def close(self) -> None:
        """End what is under way."""
        self._ending.set()
        self._threads.shutdown(cancel_futures=True)

    def _forget(self) -> None:
        old = self._clock() - KEPT_US
        for ident in [ident for ident, job in self._jobs.items() if job.over and job.begun < old]:
            del self._jobs[ident]
        for ident in [ident for ident, job in self._jobs.items() if job.over][: max(0, len(self._jobs) - MOST_KEPT)]:
            del self._jobs[ident]

    def _run(self, job: Job[T]) -> None:
        def tell(what: str, done: int, of: int) -> None:
            if self._ending.is_set():
                raise _Ended
            job.what, job.done, job.of = what, done, of

        try:
            job.found = self._look(job.sought, tell)
        except _Ended:
            job.trouble = "The console ended."
        except (Unread, Unreachable, NoKey) as error:
            job.trouble = " ".join(str(error).split())
        except KafkaException as error:
            job.trouble = f"Kafka did not answer, or refused: {error.args[0].str()}"
        except Exception as error:  # a defect; its text may quote what was asked
            log.error("a search failed: %s", type(error).__name__)
            job.trouble = f"A fault of the console: {type(error).__name__}."
