"""Imports point one way. Who may import whom is this table; a new part of the package needs a line in it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import consent_stream

PACKAGE = Path(consent_stream.__file__).parent
FAUST = {"faust", "mode", "aiokafka", "cramjam", "rocksdict"}  # the worker extra
METRICS = {"prometheus_client"}
LEAVES = {"settings", "keyfile", "logends", "disk"}  # what an operator sets: no layer of their own

STANDARD = sys.stdlib_module_names

# part → (parts of ours it may import, libraries it may import beside the standard one)
ALLOWED: dict[str, tuple[set[str], set[str]]] = {
    "domain": (set(), {"idna", "phonenumbers"}),
    "wire": ({"domain"}, {"orjson", "fastavro", "msgspec", "phonenumbers"}),
    "settings": (set(), {"faust"}),
    "keyfile": ({"wire", "disk"}, set()),
    "disk": (set(), set()),
    "logthrottle": (set(), set()),
    "logs": ({"logthrottle"}, {"orjson"}),
    "tracing": ({"settings", "wire"}, {"confluent_kafka", "opentelemetry"}),
    "logends": (set(), {"confluent_kafka"}),
    "policyfile": ({"settings", "domain"}, set()),
    "topics": ({"settings", "wire"}, {"confluent_kafka"}),
    "control": ({"settings", "wire"}, {"confluent_kafka"}),
    "acls": ({"settings", "wire", "topics"}, {"confluent_kafka"}),
    "registry": ({"settings", "wire"}, {"orjson"}),
    "publisher": ({"settings", "wire"}, {"confluent_kafka"}),
    # Quarantined records, back to where they came from.
    "putback": ({"settings", "wire", "control", "publisher", "inspection"}, {"confluent_kafka"}),
    # A policy is tried on the worker's own two stages.
    "rebuild": (
        LEAVES | {"domain", "wire", "topics", "topology", "inspection"},
        {"confluent_kafka", "orjson", "lmdb"},
    ),
    # Faust made fit. It knows nothing of consent, so not even the wire.
    "engine": ({"settings"}, FAUST | {"confluent_kafka", "orjson", *METRICS}),
    "topology": (
        LEAVES | {"domain", "wire", "engine", "topics", "tracing"},
        {"faust", "confluent_kafka", "orjson", *METRICS},
    ),
    # A core install has a gate and no Faust.
    "gate": (
        LEAVES | {"domain", "wire", "topics", "tracing"},
        {"confluent_kafka", "lmdb", "orjson", "zstandard", "pyarrow"},
    ),
    # A gate for mailers' tests, fed by the functions of the worker.
    "testing": ({"domain", "wire", "topology", "gate"}, {"orjson", "pytest"}),
    # What the servers share.
    "http": ({"keyfile"}, {"aiohttp", "orjson"}),
    "sidecar": ({"domain", "gate", "inspection", "keyfile", "http", "monitoring"}, {"aiohttp", "orjson", *METRICS}),
    # Figures for Prometheus, and the canary.
    "monitoring": (
        {"settings", "domain", "wire", "gate", "inspection", "links", "publisher", "topics"},
        {"confluent_kafka", "orjson", *METRICS},
    ),
    # A dry run takes rows in and folds them by the functions of the worker.
    "importing": (
        {"settings", "domain", "wire", "topology", "gate", "publisher"},
        {"confluent_kafka", "orjson"},
    ),
    "edge": (
        LEAVES | {"domain", "wire", "topics", "publisher", "gate", "inspection", "http", "logthrottle", "tracing"},
        {"confluent_kafka", "aiohttp", "aiosmtpd", "jinja2", "orjson", "cryptography", *METRICS},
    ),
    "console": (
        LEAVES | {"domain", "wire", "topics", "gate", "inspection", "http", "edge"},
        {"confluent_kafka", "aiohttp", "jinja2", *METRICS},
    ),
    # For mailers, of a core install.
    "links": ({"domain", "wire", "keyfile", "edge"}, set()),
    # For analysts.
    "analytics": (
        LEAVES | {"domain", "wire", "topics", "inspection"},
        {"confluent_kafka", "orjson", "pyarrow"},
    ),
    "inspection": (LEAVES | {"domain", "wire", "topics", "gate"}, {"confluent_kafka", "rich", "orjson"}),
}  # fmt: skip
# The outermost parts put the others together.
OUTER = {"cli", "commands", "dev", "worker", "health", "scenario", "simulate", "through", "__main__", "__init__"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(path: Path) -> Iterator[tuple[str, ...]]:
    """Every module that a file imports, anywhere in it, as parts of its absolute name."""
    here = ("consent_stream", *path.relative_to(PACKAGE).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (tuple(each.name.split(".")) for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = here[: len(here) - node.level] if node.level else ()
            module = (*above, *(node.module.split(".") if node.module else ()))
            # `from consent_stream import gate` names a part in the list of names.
            yield from ((*module, each.name) if module == ("consent_stream",) else module for each in node.names)


def faults(path: Path, names: Iterator[tuple[str, ...]]) -> list[str]:
    part = part_of(path)
    if part in OUTER:
        return []
    if part not in ALLOWED:
        return [f"{part} has no line in ALLOWED"]
    ours, libraries = ALLOWED[part]
    found = []
    for name in names:
        if name[0] == "consent_stream":
            if len(name) > 1 and name[1] not in ours | {part, "__version__"}:
                found.append(f"{part} imports {'.'.join(name)}")
        elif name[0] not in STANDARD and name[0] not in libraries:
            found.append(f"{part} imports the library {name[0]}")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_imports_only_what_its_part_may(path):
    assert faults(path, imported(path)) == []


@pytest.mark.parametrize(
    ("where", "line"),
    [
        ("domain/x.py", "from consent_stream.wire import topics"),
        ("domain/x.py", "import orjson"),
        ("engine/x.py", "from ..domain.facts import Fact"),
        ("gate/x.py", "def f():\n    import faust"),
        ("wire/x.py", "from consent_stream import settings"),
        ("newpart/x.py", "import os"),
    ],
)
def test_the_check_sees_what_it_forbids(where, line, tmp_path, monkeypatch):
    path = tmp_path / where
    path.parent.mkdir()
    path.write_text(line)
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    assert faults(path, imported(path)) != []


def test_what_a_core_install_runs_is_free_of_faust_until_it_is_asked_for():
    """Module level imports of the outer parts too: `consent-stream publish` must work where Faust is not installed."""
    lazily = {"worker.py", "commands/worker.py", "commands/demo.py"}
    for path in modules():
        name = str(path.relative_to(PACKAGE))
        if part_of(path) in {"engine", "topology"} or name in lazily:
            continue
        top = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Import | ast.ImportFrom)]
        libraries = {name.split(".")[0] for node in top for name in _names(node)}
        assert not libraries & FAUST, path


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    return [each.name for each in node.names] if isinstance(node, ast.Import) else [node.module or ""]
