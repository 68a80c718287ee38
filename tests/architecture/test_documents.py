"""What the documents say exists: files, commands, options, settings, metrics, codes, reasons."""

import re
import shlex
from pathlib import Path

import pytest

import consent_stream
from consent_stream.domain.events import CODES
from consent_stream.domain.facts import KINDS
from consent_stream.settings import Settings, variable
from consent_stream.wire.topics import TOPICS
from tests.architecture.test_deployment import parse

ROOT = Path(consent_stream.__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATING, CONTRACT, RULES = (
    (ROOT / "docs" / name).read_text() for name in ("operating.md", "contract.md", "rules.md")
)
IN_SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
IN_TEXT = re.compile(r"`consent-stream ([^`]+)`")
LINK = re.compile(r"\]\(([^)#]+)[^)]*\)")


def command_lines() -> set[str]:
    found = set()
    for document in DOCUMENTS:
        text = document.read_text()
        for block in IN_SHELL.findall(text):
            found |= {line for line in block.splitlines() if line.startswith("consent-stream ")}
        found |= {f"consent-stream {rest}" for rest in IN_TEXT.findall(text)}
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document):
    links = [link for link in LINK.findall(document.read_text()) if "://" not in link]
    # Written by `make bench`, which takes a quarter of an hour.
    missing = [link for link in links if not (document.parent / link).exists() and not link.endswith("RESULTS.md")]
    assert missing == []


@pytest.mark.parametrize("line", sorted(command_lines()))
def test_commands_are_ones_that_exist(line, tmp_path, monkeypatch):
    words = shlex.split(line.partition("#")[0].replace("FILE…", "FILE"))[1:]
    monkeypatch.chdir(tmp_path)
    for word in words:  # files that a command wants to be there
        if word == "FILE" or "/" in word:
            path = tmp_path / word
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("")
    parse([*words, "--tenant", "t"] if words == ["check"] else words)  # named in a sentence, without its options


def test_the_policy_in_the_readme_is_from_the_demo():
    policy = (ROOT / "consent_stream" / "dev" / "policy.toml").read_text()
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    assert all(block in policy for block in blocks)


def test_every_setting_is_told():
    named = OPERATING.replace("`…_CERTIFICATE`", variable("ssl_certificate")).replace("`…_KEY`", variable("ssl_key"))
    assert [name for name in Settings.__dataclass_fields__ if variable(name) not in named] == []


def test_every_metric_is_told():
    """In a table of docs/metrics.md. (That each is told by a process: tests/kafka/test_metrics.py.)"""
    told = (ROOT / "docs" / "metrics.md").read_text()
    pattern = re.compile(r"\"(consent_\w+)\"")
    modules = ("metrics.py", "speaking.py", "gates.py", "textfile.py", "inbox.py", "routes.py", "texting.py")
    sources = [path.read_text() for name in modules for path in (ROOT / "consent_stream").rglob(name)]
    names = {name for source in sources for name in pattern.findall(source)}
    assert len(names) > 40
    assert [name for name in sorted(names) if f"| `{name}" not in told] == []


def test_every_topic_and_quarantine_code_is_told():
    told = CONTRACT.replace("`.sms`", "`suppression.sms`").replace("`.sharing`", "`suppression.sharing`")
    assert [topic.name for topic in TOPICS if f"`{topic.name}`" not in told] == []
    assert [code for code in CODES if f"`{code}`" not in CONTRACT] == []


def test_every_kind_of_restriction_is_told():
    assert [kind for kind in KINDS if f"`{kind}`" not in RULES] == []


def test_no_document_names_a_real_person():
    text = "".join(document.read_text() for document in DOCUMENTS)
    examples = [path for path in (ROOT / "examples").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    text += "".join(path.read_text() for path in examples)
    domains = set(re.findall(r"[\w.+-]+@([\w.-]+\w)", text))
    assert domains <= {"example.com", "example.net", "example.org"}
    assert all(re.fullmatch(r"\+1\d{3}55501\d\d", phone) for phone in re.findall(r"\+\d{8,}", text))
