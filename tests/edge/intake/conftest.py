"""An edge before a door in memory."""

import pytest

from tests.edge.intake.site import serving


@pytest.fixture(scope="module")
def served():
    with serving() as found:
        yield found


@pytest.fixture
def client(served):
    return served[0]


@pytest.fixture
def taken(served):
    """Events that came through the door in this test."""
    door = served[1].door
    door.taken.clear()
    door.away = door.spooling = False
    yield door.taken
    door.away = door.spooling = False
