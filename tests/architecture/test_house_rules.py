"""Rules of the house that a machine can see: documented, small, well named, one version of each thing."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import consent_stream
from consent_stream.dev.jars import KAFKA_VERSION

PACKAGE = Path(consent_stream.__file__).parent
ROOT = PACKAGE.parent
MODULES = sorted(PACKAGE.rglob("*.py"))
NAMELESS = {"util", "utils", "helper", "helpers", "common", "base", "manager", "misc"}

# What others build on: here each public class and function says what it is; elsewhere the module does.
PUBLIC_API = {"settings", "keyfile", "topics", "publisher", "gate", "engine", "dev", "cli", "commands"}

ids = {"ids": lambda path: str(path.relative_to(ROOT))}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


@pytest.mark.parametrize("path", MODULES, **ids)
def test_modules_say_what_they_are(path):
    assert ast.get_docstring(ast.parse(path.read_text()))


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) in PUBLIC_API], **ids)
def test_public_classes_and_functions_of_the_public_api_say_what_they_are(path):
    tree = ast.parse(path.read_text())
    public = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]
    missing = [node.name for node in public if not node.name.startswith("_") and not ast.get_docstring(node)]
    assert missing == []


@pytest.mark.parametrize("path", [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))], **ids)
def test_files_can_be_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, **ids)
def test_names_say_something(path):
    assert path.stem not in NAMELESS
    assert path.parent.name not in NAMELESS


def test_one_version_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == consent_stream.__version__


def test_one_version_of_kafka():
    pom = (PACKAGE / "dev" / "pom.xml").read_text()
    assert re.search(r"<kafka.version>(.*)</kafka.version>", pom).group(1) == KAFKA_VERSION
