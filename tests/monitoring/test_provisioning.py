"""Prometheus and Grafana beside the rest: what compose mounts is there, and every service that is scraped is one."""

import json
import subprocess

import pytest
import yaml

from tests.architecture.test_alerts import ROOT, TOLD, metrics
from tests.architecture.test_deployment import SERVICES

DEPLOY = ROOT / "deploy"
SCRAPES = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())["scrape_configs"]
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in (DEPLOY / "grafana" / "dashboards").glob("*.json")}
PANELS = [
    (name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"] if panel["type"] != "row"
]  # fmt: skip
RECORDED = "consent:source_silence_seconds"
PROMETHEUS = {"ALERTS"}


def test_prometheus_reads_its_settings(promtool):
    done = subprocess.run([promtool, "check", "config", DEPLOY / "prometheus.yml"], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("job", [each["job_name"] for each in SCRAPES])
def test_what_is_scraped_is_a_service_that_listens_there(job):
    (scrape,) = (each for each in SCRAPES if each["job_name"] == job)
    for target in scrape["static_configs"][0]["targets"]:
        host, _, port = target.partition(":")
        told = " ".join(SERVICES[host]["command"]) + " ".join(SERVICES[host].get("ports", []))
        assert f"0.0.0.0:{port}" in told or f":{port}:{port}" in told


def test_the_jobs_are_those_of_the_rules():
    rules = (DEPLOY / "alerts.yml").read_text()
    assert all(f'job="{each["job_name"]}"' in rules for each in SCRAPES)


def test_grafana_finds_its_data_source_and_its_dashboards():
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "consent-stream.yml").read_text())["providers"]
    assert source["url"] == "http://prometheus:9090"
    assert "prometheus" in SERVICES
    mounted = [volume.split(":") for volume in SERVICES["grafana"]["volumes"]]
    assert provider["options"]["path"] in {there for _, there, *_ in mounted}
    assert {panel["datasource"]["uid"] for _, panel in PANELS} == {source["uid"]}


def test_there_are_four():
    assert set(DASHBOARDS) == {"consent-oncall", "consent-gates", "consent-edge", "consent-analytics"}
    assert all(name == board["uid"] for name, board in DASHBOARDS.items())


@pytest.mark.parametrize(("board", "panel"), PANELS, ids=[f"{name}: {panel['title']}" for name, panel in PANELS])
def test_a_panel_shows_metrics_that_are_told_and_says_what(board, panel):
    assert panel["description"].endswith(".")
    for target in panel["targets"]:
        found = metrics(target["expr"]) - PROMETHEUS - {RECORDED}
        found = {each.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for each in found}
        assert [each for each in found if f"| `{each}" not in TOLD] == []


def test_prometheus_understands_every_expression(promtool, tmp_path):
    """As the expressions of rules: promtool checks those without a server."""
    expressions = [target["expr"] for _, panel in PANELS for target in panel["targets"]]
    rules = [{"record": f"panel:{number}", "expr": each} for number, each in enumerate(expressions)]
    path = tmp_path / "panels.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    done = subprocess.run([promtool, "check", "rules", path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_panels_do_not_lie_on_each_other():
    for board in DASHBOARDS.values():
        cells = [
            (x, y)
            for panel in board["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len(set(cells))
        assert max(x for x, _ in cells) < 24
