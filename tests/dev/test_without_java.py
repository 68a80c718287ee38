"""On a laptop without Java the tests of a real Kafka are skipped with one line; with CI set they fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ONE_TEST = "tests/kafka/test_local_kafka.py::test_a_misspelt_topic_fails_instead_of_appearing"


@pytest.fixture
def run(tmp_path):
    """Run one test of a real Kafka where no java is on the path, with these variables more."""

    def pytest_without_java(**more: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if name not in ("CI", "JAVA_HOME")}
        environ |= {"PATH": str(tmp_path), **more}
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", ONE_TEST]
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60, check=False)

    return pytest_without_java


def test_a_laptop_skips_them_with_one_line_that_says_why(run):
    ran = run()
    assert ran.returncode == 0, ran.stdout
    assert "1 skipped" in ran.stdout
    (line,) = [each for each in ran.stdout.splitlines() if each.startswith("SKIPPED")]
    assert "JDK 17+ and Maven" in line


def test_ci_fails_instead(run):
    ran = run(CI="1")
    assert ran.returncode == 1, ran.stdout
    assert "1 error" in ran.stdout
