"""A mail server on a real socket, whose answers a test chooses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from email import message_from_bytes, policy
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP as Server
from aiosmtpd.smtp import Envelope, Session

ACCEPT = "250 2.0.0 taken"


class MailServer:
    """Takes mail while the block lasts. `replies` are of DATA and `recipients` of RCPT, the last one stays; `hang`: no
    reply to DATA, `drop`: takes it, and drops the link. `taken` holds (recipient, mail) of all that it has."""

    def __init__(self) -> None:
        self.replies, self.recipients = [ACCEPT], ["250 2.1.5 ok"]
        self.taken: list[tuple[str, Message]] = []
        self.wire: list[bytes] = []
        self.at_data = threading.Event()  # somebody has sent a whole mail
        self.at_recipient = threading.Event()
        self.pause = threading.Event()  # RCPT is answered when it is set
        self.pause.set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> MailServer:
        self._thread.start()
        # No aiosmtpd Controller: it cannot ask the system for a port.
        self._server = self._call(self._loop.create_server(lambda: Server(self), "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def close(self) -> None:
        """No new connections."""
        self._loop.call_soon_threadsafe(self._server.close)
        self._call(self._server.wait_closed())

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    @property
    def where(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def ids(self) -> list[str]:
        return [str(mail["Message-ID"]).strip("<>").partition("@")[0] for _, mail in self.taken]

    async def handle_RCPT(
        self, server: Server, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.at_recipient.set()
        await asyncio.get_running_loop().run_in_executor(None, self.pause.wait, 30)
        envelope.rcpt_tos.append(address)
        return _next(self.recipients)

    async def handle_DATA(self, server: Server, session: Session, envelope: Envelope) -> str:
        reply = _next(self.replies)
        if reply in ("hang", "drop") or reply.startswith("2"):
            assert isinstance(envelope.content, bytes)
            self.wire.append(envelope.content)
            self.taken.append((envelope.rcpt_tos[0], message_from_bytes(envelope.content, policy=policy.default)))
        self.at_data.set()
        if reply == "hang":
            await asyncio.sleep(30)
        if reply == "drop":
            assert server.transport is not None
            server.transport.abort()
        return reply if reply[0].isdigit() else ACCEPT


def _next(replies: list[str]) -> str:
    return replies.pop(0) if len(replies) > 1 else replies[0]
