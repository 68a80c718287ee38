"""Mail to the edge, over SMTP (RFC 5321): unsubscribes by `mailto:` (RFC 2369), complaints and bounces.

1. Anyone can write mail. A link of ours says whom it is about, and nothing else does: without one a mail has no effect.
2. 250 only when the event is proven in Kafka or on the disk; 451 when it is nowhere, so that it is sent again.
3. Mail is taken for the configured addresses alone, and none is ever sent: no relay, no bounces of our own.
4. A mail forbids. It never permits, for who may write it has at most an old message of ours.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiosmtpd.smtp import SMTP, Envelope, Session
from prometheus_client import Counter

from consent_stream.edge.config import Config, ConfigError, only
from consent_stream.edge.door import Unavailable
from consent_stream.edge.edge import Edge
from consent_stream.edge.events import event
from consent_stream.edge.providers.believed import link_in, of_link
from consent_stream.edge.providers.mail import LARGEST_MAIL, read_mail
from consent_stream.edge.providers.reports import PERMISSIVE, Malformed
from consent_stream.http.serving import bind, place

log = logging.getLogger(__name__)
TABLE = "mail"
SOURCE = "/edge/mail"
MOST_RECIPIENTS = 10
MOST_CONNECTIONS = 50
MOST_COMMANDS = 100  # of a kind in a connection: a server with more mail connects again
MOST_BYTES = 10 * LARGEST_MAIL  # of a connection, a line without an end among them
IDLE_S = 60.0  # between two commands, and for a mail from its DATA to its dot
LONGEST_S = 300.0  # a connection
FINISH_S = 10.0  # for mails under way when it ends
SETTLE_S = 0.05
NO_LINK = "550 5.7.1 no link of ours in it: use the unsubscribe button of the message, or the link in its text"


class Post(NamedTuple):
    """Where mail is taken. recipients: addresses in lower case."""

    host: str
    port: int
    recipients: frozenset[str]


def post_of(config: Config) -> Post | None:
    """The table `[mail]`; None when there is none. Errors: ConfigError."""
    table = config.table(TABLE)
    if not table:
        return None
    only(TABLE, table, ["listen", "recipients"])
    listen, recipients = table.get("listen", "127.0.0.1:8725"), table.get("recipients")
    host, _, port = listen.rpartition(":") if isinstance(listen, str) else ("", "", "")
    if not host or not (port.isascii() and port.isdigit()) or int(port[:6]) > 65535:
        raise ConfigError(f"{TABLE}.listen: HOST:PORT is expected")
    if not isinstance(recipients, list) or not recipients or not all(map(_is_address, recipients)):
        raise ConfigError(f"{TABLE}.recipients: a list of addresses is expected")
    return Post(host.removeprefix("[").removesuffix("]"), int(port), frozenset(map(str.lower, recipients)))


@asynccontextmanager
async def listening(edge: Edge, post: Post | None) -> AsyncIterator[str | None]:
    """Take mail while the block runs; HOST:PORT. Its end waits for mails under way, at most `FINISH_S`.

    Errors: ConfigError when it cannot listen there.
    """
    if post is None:
        yield None
        return
    logging.getLogger("mail.log").disabled = True  # aiosmtpd's: it names senders, recipients and lines
    inbox = Inbox(edge, post.recipients)
    try:
        bound = bind(post.host, post.port)
    except OSError as error:
        raise ConfigError(f"{TABLE}.listen: {error.strerror or error}") from error
    server = await asyncio.get_running_loop().create_server(inbox.connection, sock=bound)
    log.info("mail at %s", place(bound))
    try:
        yield place(bound)
    finally:
        server.close()
        await inbox.end()


class Inbox:
    """What aiosmtpd asks at each step; the names of the methods are its own."""

    def __init__(self, edge: Edge, recipients: frozenset[str]) -> None:
        self._edge, self._recipients = edge, recipients
        self._counts = Counter(
            "consent_edge_mail_total", "Mails by what became of them", ["result"], registry=edge.metrics.registry
        )
        self.open: set[asyncio.Transport] = set()
        self._under_way, self._ending = 0, False

    def connection(self) -> asyncio.Protocol:
        """What speaks on a new connection."""
        return _Connection(self) if len(self.open) < MOST_CONNECTIONS else _Full()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        if _mailbox(address) not in self._recipients:
            return "550 5.1.1 no mail is taken for this address"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self._ending:
            return "421 4.3.2 it ends; come again"
        raw = envelope.content
        assert isinstance(raw, bytes)
        self._under_way += 1
        try:
            return await self._taken(raw, list(envelope.rcpt_tos))
        finally:
            self._under_way -= 1

    async def handle_exception(self, error: Exception) -> str:
        log.error("a mail was not taken: %s", type(error).__name__)  # its text may hold some of the mail
        return "451 4.3.0 come again"

    async def _taken(self, raw: bytes, recipients: list[str]) -> str:
        loop = asyncio.get_running_loop()
        try:
            events = await loop.run_in_executor(None, _events, self._edge, raw, recipients)
        except Malformed as error:
            return self._said("malformed", f"550 5.6.0 it cannot be read: {error}")
        if events is None:
            return self._said("no_link", NO_LINK)
        if not events:
            return self._said("no_effect", "250 2.0.0 nothing in it changes anything")
        try:
            await self._edge.door.accept(events)
        except Unavailable:
            return self._said("unavailable", "451 4.3.2 it cannot be taken now; come again")
        return self._said(events[0]["type"].removesuffix(".v1"), "250 2.0.0 taken")

    def _said(self, result: str, answer: str) -> str:
        self._counts.labels(result).inc()
        return answer

    async def end(self) -> None:
        """Close every connection, once no mail is under way."""
        self._ending = True
        deadline = asyncio.get_running_loop().time() + FINISH_S
        while self._under_way and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(SETTLE_S)
        await asyncio.sleep(SETTLE_S)  # for the answer of the last one
        for transport in list(self.open):
            transport.close()
        await asyncio.sleep(SETTLE_S)


class _Connection(SMTP):  # type: ignore[misc]  # aiosmtpd has no types
    """A connection with an end: in time, in bytes, in commands."""

    def __init__(self, inbox: Inbox) -> None:
        super().__init__(
            inbox, data_size_limit=LARGEST_MAIL, hostname=socket.gethostname(), ident="consent-stream", timeout=IDLE_S,
            auth_exclude_mechanism=["LOGIN", "PLAIN"], command_call_limit=MOST_COMMANDS,
            loop=asyncio.get_running_loop(),
        )  # fmt: skip
        self._inbox, self._bytes = inbox, 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._link = transport
        self._inbox.open.add(transport)
        self._last = self.loop.call_later(LONGEST_S, transport.abort)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:  # aiosmtpd keeps a line until it ends
            self._link.abort()
        else:
            super().data_received(data)

    def connection_lost(self, error: Exception | None) -> None:
        self._last.cancel()
        self._inbox.open.discard(self._link)
        super().connection_lost(error)


class _Full(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"421 4.3.2 too many connections; come again\r\n")
        transport.close()


def _events(edge: Edge, raw: bytes, recipients: list[str]) -> list[dict[str, Any]] | None:
    """What a mail says; None when no link of ours says whom it is about. Errors: Malformed."""
    report, now = read_mail(raw), edge.clock()
    # Behind the `+` of a return address stands a token for bounces. Out-of-office notes come there too: no "no".
    behind = [] if report.kind == "letter" else [_behind(each) for each in recipients]
    link = link_in(edge.links, [*filter(None, behind), *report.tokens])
    if link is None:
        return None
    if report.kind == "letter":
        said: Mapping[str, Any] = {
            "keys": [key.hex() for key in link.keys],
            "channel": link.channel,
            "scope": link.program,
            "message_id": link.message_id or None,
        }
        return [event("unsubscribe.mailto", SOURCE, link.tenant, at=now, **said)]
    return [each.event(SOURCE, link.tenant, now) for each in of_link(report, link) if each.type not in PERMISSIVE]


def _is_address(text: object) -> bool:
    return isinstance(text, str) and text.isascii() and text.isprintable() and text.count("@") == 1 and " " not in text


def _mailbox(address: str) -> str:
    """Without what stands behind `+`, in lower case."""
    local, _, domain = address.rpartition("@")
    return f"{local.partition('+')[0]}@{domain}".lower()


def _behind(address: str) -> str:
    return address.rpartition("@")[0].partition("+")[2]
