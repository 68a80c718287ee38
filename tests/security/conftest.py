import pytest

from tests.security.secured import secured


@pytest.fixture(scope="session")
def broker(kafka, tmp_path_factory):
    """A secured Kafka; `kafka` decides whether there can be one here."""
    with secured(tmp_path_factory.mktemp("secured")) as found:
        yield found
