"""The edge as a mail client sees it: the link of a message, and the button that posts to it (RFC 8058)."""

from __future__ import annotations

import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

from consent_stream.dev.demo.cast import TENANT, Person
from consent_stream.dev.demo.feed import Sent
from consent_stream.dev.errors import DevError
from consent_stream.links import POST, Sender, preferences_url, unsubscribe_url

ANSWER_S = 10.0


class Front:
    """Links of messages to the people of the story. url: of the edge."""

    def __init__(self, url: str, keys: Path) -> None:
        self._url, self._sender = url, Sender(keys, url)

    def page(self, person: Person, scope: str) -> str:
        """The link of this person's preference page."""
        return preferences_url(self._token(person, scope), self._url)

    def one_click(self, person: Person, scope: str) -> Sent:
        """Press the button of a message. Its event is made by the edge, so this is none of the feed's.

        Errors: DevError when the edge does not take it.
        """
        link = unsubscribe_url(self._token(person, scope), self._url)
        request = Request(link, POST.encode(), {"Content-Type": "application/x-www-form-urlencoded"}, method="POST")
        clicked = time.time_ns() // 1000
        try:
            with urlopen(request, timeout=ANSWER_S):
                return Sent(b"", "", clicked, accepted=time.time_ns() // 1000)
        except (URLError, TimeoutError) as error:
            raise DevError(f"the edge did not take an unsubscribe: {error}") from error

    def _token(self, person: Person, scope: str) -> str:
        return self._sender.token(TENANT, email=person.email, scope=scope, message_id="m1@mail.example")
