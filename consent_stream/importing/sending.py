"""The rows of a file to `consent.events`, from where the last run came to; each step is recorded once it is proven."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from consent_stream.importing.restart import Progress, save
from consent_stream.importing.survey import Item
from consent_stream.publisher import Publisher, Receipt, Unproven

SAVE_EVERY = 0.25  # seconds; a crash repeats at most what was sent in that time
ASK_EVERY = 64  # rows between two looks at what is proven


def send(
    found: Iterable[Item],
    publisher: Publisher,
    progress: Progress,
    restart_file: Path,
    stopping: Callable[[], bool],
    seen: Callable[[int], None],
) -> bool:
    """Send what is not proven yet. Whether all of it is: False when `stopping()` said to end before.

    `seen` is called with the number of the last row looked at. The restart file is behind what is proven, never ahead.
    Errors: Unproven, after the restart file is brought up to date; OSError where it cannot be written.
    """
    saved = time.monotonic()
    save(restart_file, progress)  # before the first record: where it cannot be written, nothing is sent

    def prove(receipts: Iterator[Receipt]) -> None:
        for each in receipts:
            progress.prove(each.line, each.partition, each.offset)

    whole = True
    try:
        begun = progress.rows
        for item in found:
            if item.number <= begun:
                continue
            if item.told.value is not None:
                publisher.send(item.number, item.told.value)
            if item.number % ASK_EVERY == 0:
                prove(publisher.proven())
                seen(item.number)
                if stopping():
                    whole = False
                    break
                if time.monotonic() - saved > SAVE_EVERY:
                    save(restart_file, progress)
                    saved = time.monotonic()
        prove(publisher.rest())
    except Unproven:
        with suppress(OSError):  # the way on is worse without it, but what matters is that Kafka did not take them
            save(restart_file, progress)
        raise
    save(restart_file, progress)
    return whole
