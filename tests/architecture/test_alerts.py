"""deploy/alerts.yml: rules of a shape that Prometheus reads, metrics that exist, a runbook for each."""

import re
from pathlib import Path

import pytest
import yaml

import consent_stream

ROOT = Path(consent_stream.__file__).parent.parent
GROUPS = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"]
RULES = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}
RECORDED = {rule["record"]: rule["expr"] for group in GROUPS for rule in group["rules"] if "record" in rule}
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text()
TOLD = (ROOT / "docs" / "metrics.md").read_text()
# What the runbooks quote of logs and answers, as far as it is written in the package word for word.
QUOTED = (
    "FAIL-STOP: ",
    "records unproven after",
    "is in use by another process",
    "topics do not exist: ",
    "cannot be read",
    "cannot reach Kafka at",
    "trying again",
    "no heartbeat: ",
    "a heartbeat or report was not taken: ",
    "another tenant's subject key",
    "no fresh heartbeats: is every worker running, and is its clock right?",
    "there is no proof that recent withdrawals are in the list",
    "is not the one that these topics are written with; use that key file",
    "moved to",
    "is every worker's clock right?",
)
# Prometheus' own, and those of its client library for Python.
FOREIGN = {"up", "process_start_time_seconds"}


def metrics(expression: str) -> set[str]:
    """Names of metrics in a PromQL expression: words that are before `{`, `[` or a comparison, and no functions."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\b(by|without|on) ?\([^)]*\)", "", bare)
    bare = re.sub(r"\{[^}]*\}", "{}", bare)
    words = set(re.findall(r"\b([a-z][a-z_:]+)\b(?!\s*\()", bare))
    return words - {"or", "and", "unless", "offset", "by", "bool", "sum", "max"}


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_has_the_shape_prometheus_reads(name):
    rule = RULES[name]
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
    assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert {"summary", "runbook"} == set(rule["annotations"])
    assert rule["expr"].count("(") == rule["expr"].count(")")


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_asks_for_metrics_that_are_told(name):
    found = metrics(RULES[name]["expr"])
    assert found
    for recorded in found & set(RECORDED):
        found |= metrics(RECORDED[recorded])
    found -= FOREIGN | set(RECORDED)
    assert [each for each in found if f"`{each.removesuffix('_bucket')}" not in TOLD] == []


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_has_its_runbook(name):
    assert RULES[name]["annotations"]["runbook"] == f"docs/runbooks.md#{name.lower()}"
    section = re.search(rf"^## {name}\n(.*?)(?=^#)", RUNBOOKS, re.DOTALL | re.MULTILINE)
    assert section is not None
    assert all(f"**{part}:**" in section.group(1) for part in ("See", "Means", "Do", "Over when"))


@pytest.mark.parametrize("words", QUOTED)
def test_what_the_runbooks_quote_is_still_said(words):
    sources = "".join(path.read_text() for path in (ROOT / "consent_stream").rglob("*.py"))
    assert words in " ".join(RUNBOOKS.split()) + " "
    assert words in sources


def test_names_are_given_once():
    assert len(RULES) + len(RECORDED) == sum(len(group["rules"]) for group in GROUPS)


def test_the_check_sees_a_metric_that_does_not_exist():
    assert metrics('sum by (le) (rate(consent_nothing_total{a="b"}[5m])) > 1') == {"consent_nothing_total"}
