"""A deployment on the real Kafka with an edge in front; its worker runs for tests that ask for it."""

from importlib.resources import files

import pytest

from tests.edge.process import EdgeProcess
from tests.faults.deployment import deployed

POLICY = (files("consent_stream.dev") / "policy.toml").read_text()


@pytest.fixture(scope="module")
def deployment(kafka, tmp_path_factory, request):
    """Topics of a prefix of this module's own, the demo's policy, a root key of zero bytes."""
    prefix = f"edge-{request.module.__name__.rpartition('.')[2].replace('_', '')}-"
    with deployed(kafka, tmp_path_factory.mktemp("edge"), prefix, POLICY) as found:
        yield found


@pytest.fixture(scope="module")
def edge(deployment):
    """`consent-stream edge` without gates, ready."""
    process = EdgeProcess(deployment, "edge", "--without-gates", "--access-log", "--drain", "0")
    try:
        yield process.start()
    finally:
        process.close()


@pytest.fixture(scope="module")
def worker(deployment):
    """A worker of the deployment, ready."""
    found = deployment.worker("w1").start()
    yield found.await_ready()
    found.close()
