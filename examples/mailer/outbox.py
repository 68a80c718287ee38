"""The queue: messages on disk until it is known what became of them (SQLite).

1. A message is taken on once, whoever repeats it: its id stays; address and text go when it is done.
2. `begin` is on disk before a hand-over begins. After a crash, one that may have been handed over is tried once more.
"""

import json
import sqlite3
import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple

TABLE = """CREATE TABLE IF NOT EXISTS outbox (
    id TEXT PRIMARY KEY, content TEXT, due REAL NOT NULL, taken INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0, begun INTEGER NOT NULL DEFAULT 0, bounce TEXT)"""
TAKE = """UPDATE outbox SET taken = 1 WHERE id = (
    SELECT id FROM outbox WHERE content NOT NULL AND NOT taken AND due <= ? ORDER BY due, rowid LIMIT 1
) RETURNING id, content, tries, begun, bounce"""


class Message(NamedTuple):
    """A message in hand. begun: hand-overs whose end is unknown. bounce: of one that is over, the status to be told."""

    id: str
    content: dict[str, Any]
    tries: int
    begun: int
    bounce: str | None


class Outbox:
    """One process has it at a time; any thread of it may call."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # of this process, and gone with it, however it ends
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(TABLE)
        self._run("UPDATE outbox SET taken = 0")  # what a process had in hand when it was killed

    def add(self, messages: Iterable[dict[str, Any]]) -> None:
        """Take messages on, all or none; those that were taken on before are left as they are."""
        rows = [(each["id"], json.dumps(each), time.time()) for each in messages]
        with self._lock, self._db:
            self._db.execute("BEGIN")
            self._db.executemany("INSERT OR IGNORE INTO outbox (id, content, due) VALUES (?, ?, ?)", rows)

    def take(self) -> Message | None:
        """The message that has been due longest; nobody else gets it until something is said of it."""
        for ident, content, *rest in self._run(TAKE, time.time()):
            return Message(ident, json.loads(content), *rest)
        return None

    def begin(self, message: Message) -> None:
        """Right before a hand-over."""
        self._run("UPDATE outbox SET begun = begun + 1 WHERE id = ?", message.id)

    def later(self, message: Message, seconds: float, tries: int, begun: int | None) -> None:
        """Not now. begun: hand-overs whose end is unknown; None when the last one's is, too, if it had begun."""
        set_to = "taken = 0, due = ?, tries = ?, begun = coalesce(?, begun)"
        self._run(f"UPDATE outbox SET {set_to} WHERE id = ?", time.time() + seconds, tries, begun, message.id)

    def bounced(self, message: Message, status: str) -> None:
        """It is over, and `consent.events` has yet to hear why."""
        self._run("UPDATE outbox SET bounce = ? WHERE id = ?", status, message.id)

    def done(self, message: Message) -> None:
        """It is over."""
        self._run("UPDATE outbox SET content = NULL, taken = 0 WHERE id = ?", message.id)

    def __len__(self) -> int:
        return int(self._run("SELECT count(*) FROM outbox WHERE content NOT NULL")[0][0])

    def _run(self, statement: str, *values: Any) -> list[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()
