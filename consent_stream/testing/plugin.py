"""What pytest finds by itself where consent-stream is installed (entry point `pytest11`): the fixture `fake_gate`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from consent_stream.testing import FakeGate


@pytest.fixture
def fake_gate() -> Iterator[FakeGate]:
    """A gate for email without Kafka and keys, ready and empty; see `consent_stream.testing.FakeGate`."""
    from consent_stream.testing import FakeGate

    with FakeGate() as gate:
        yield gate
