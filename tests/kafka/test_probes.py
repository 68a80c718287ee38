"""What a supervisor hears from real workers: not ready while they start, ready once restored, also when one joins."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from consent_stream.dev.ports import free_ports
from tests.faults.deployment import Deployment, await_that, deployed
from tests.faults.population import POLICY

pytestmark = pytest.mark.kafka


def asked(port: int, path: str) -> tuple[int, str]:
    """Status and text; (0, "") while nobody listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except urllib.error.URLError:
        return 0, ""


def test_workers_say_when_they_are_ready(kafka: str, prefix: str, tmp_path: Path) -> None:
    with deployed(kafka, tmp_path, prefix, POLICY) as deployment:
        ports = free_ports(2)
        heard: set[int] = set()
        for number, port in enumerate(ports):
            deployment.worker(f"w{number}", "--metrics", str(port)).start()

            def ready(port: int = port) -> bool:
                heard.add(asked(port, "/readyz")[0])
                return asked(port, "/readyz") == (200, "ready\n")

            await_that(f"worker {number} is ready", ready, 30)
        assert 503 in heard, "they listen before they are ready"
        await_that("both are ready", lambda: all(asked(port, "/readyz")[0] == 200 for port in ports), 30)
        assert all(asked(port, "/livez") == (200, "live\n") for port in ports)
        assert all("consent_worker_ready 1.0" in asked(port, "/metrics")[1] for port in ports)


def test_a_worker_that_waits_for_kafka_is_live(prefix: str, tmp_path: Path) -> None:
    nobody, port = free_ports(2)
    deployment = Deployment(f"127.0.0.1:{nobody}", tmp_path, prefix, POLICY)
    try:
        deployment.worker("waiting", "--metrics", str(port)).start()
        await_that("it listens", lambda: asked(port, "/livez") == (200, "live\n"), 30)
        assert asked(port, "/readyz")[0] == 503
    finally:
        deployment.close()
