"""Prometheus' own tool, which tries rules as a server would."""

import os
import shutil

import pytest


@pytest.fixture(scope="session")
def promtool():
    found = shutil.which("promtool")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("no promtool: it comes with Prometheus")
        pytest.skip("no promtool: it comes with Prometheus")
    return found
