"""The deployment that hostile senders write to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.deployment import Deployment, deployed
from tests.faults.population import POLICY


@pytest.fixture
def deployment(kafka: str, tmp_path: Path, prefix: str) -> Iterator[Deployment]:
    """Topics on the real Kafka, policy and keys; no worker yet."""
    with deployed(kafka, tmp_path, prefix, POLICY) as found:
        yield found
