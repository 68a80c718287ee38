"""The law as data: every scenario file holds in every order of its events, and each file says what it is for."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from consent_stream.domain.events import CODES
from consent_stream.scenario import ScenarioError
from consent_stream.simulate import run_file

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.json"))
READINGS = HERE.parents[1] / "consent_stream" / "domain" / "READINGS.md"
CASES = {*range(1, 37)} - {16, 19, 21, 23, 28, 36}  # T36 is about a gate that loads: tests of the gate


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_scenario(path: Path) -> None:
    for report in run_file(path):
        assert not report.faults, "\n".join([report.name, *report.faults])


def every_scenario() -> list[dict[str, Any]]:
    found = []
    for path in FILES:
        content = json.loads(path.read_text(encoding="utf-8"))
        found += content if isinstance(content, list) else [content]
    return found


def test_every_case_of_the_rules_has_a_scenario() -> None:
    named = {int(match[1]) for s in every_scenario() if (match := re.match(r"T(\d+) ", s["name"]))}
    assert named == CASES


def test_every_code_has_a_scenario() -> None:
    shown = {code for s in every_scenario() for code in s["quarantined"].values()}
    assert shown == set(CODES) - {"too_large"}


def test_every_reading_has_a_scenario_and_every_scenario_of_one_its_reading() -> None:
    listed = re.findall(r"^\| (R\d+) \|", READINGS.read_text(encoding="utf-8"), re.MULTILINE)
    scenarios = json.loads((HERE / "readings.json").read_text(encoding="utf-8"))
    assert [s["name"].split()[0] for s in scenarios] == listed


def test_too_large(tmp_path: Path) -> None:
    """The one code that would make a scenario file of a quarter mebibyte."""
    scenario = json.loads((HERE / "T01.json").read_text(encoding="utf-8"))
    scenario["events"][1]["event"]["data"]["note"] = "x" * (256 * 1024)
    path = tmp_path / "large.json"
    scenario["quarantined"] = {"w": "too_large"}
    scenario["expect"][0] |= {"allow": True, "reasons": []}
    path.write_text(json.dumps(scenario))
    (report,) = run_file(path)
    assert not report.faults


def test_a_scenario_that_is_wrong_fails(tmp_path: Path) -> None:
    scenario = json.loads((HERE / "T04.json").read_text(encoding="utf-8"))
    path = tmp_path / "wrong.json"
    scenario["expect"][0] |= {"allow": False, "reasons": ["no_consent"]}
    path.write_text(json.dumps(scenario))
    assert run_file(path)[0].faults
    scenario["expect"][0]["reason"] = []
    path.write_text(json.dumps(scenario))
    with pytest.raises(ScenarioError, match="reason"):
        run_file(path)
