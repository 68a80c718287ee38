"""Each rule of deploy/alerts.yml as Prometheus itself evaluates it: when it fires, and when it does not."""

import subprocess
from itertools import groupby
from typing import NamedTuple

import pytest
import yaml

from tests.architecture.test_alerts import ROOT, RULES

ALERTS = ROOT / "deploy" / "alerts.yml"


class Case(NamedTuple):
    """Series in promtool's notation, a sample every `step`. labels: with them it fires at `at`; None: it must not."""

    series: dict[str, str]
    at: str
    labels: dict[str, str] | None = None
    step: str = "1m"


def up(job, values):
    return {f'up{{job="{job}",instance="i"}}': values}


def one(metric, values, **labels):
    inside = ",".join(f'{name}="{value}"' for name, value in {**labels, "instance": "i"}.items())
    return {f"{metric}{{{inside}}}": values}


def counted(metric, values, **labels):
    return one(metric, values, **labels)


def buckets(metric, slow, **labels):
    """Ten observations a minute; all of them fast, or all of them beyond 5 s."""
    return {
        **one(f"{metric}_bucket", "0x40" if slow else "0+10x40", le="1.0", **labels),
        **one(f"{metric}_bucket", "0x40" if slow else "0+10x40", le="5.0", **labels),
        **one(f"{metric}_bucket", "0+10x40", le="30.0", **labels),
        **one(f"{metric}_bucket", "0+10x40", le="+Inf", **labels),
    }


SPOKE = 'consent_source_last_event_timestamp_seconds{source="/forms",instance="i"}'
# Speaks every half hour for eight days, but for 3½ hours of the third, then no more. END: the last word, in minutes.
END, STEP = 402 * 30, 1800
CHATTY = {SPOKE: f"0+{STEP}x100 {100 * STEP}x6 {108 * STEP}+{STEP}x294 {402 * STEP}x40"}
I = {"instance": "i"}  # noqa: E741

CASES: dict[str, list[Case]] = {
    "WorkerDown": [
        Case(up("consent-worker", "0x5"), "2m", {**I, "job": "consent-worker"}),
        Case(up("consent-worker", "1 0 1 1"), "2m"),
    ],
    "WorkerNotReady": [
        Case(one("consent_worker_ready", "0x10"), "6m", I),
        Case(one("consent_worker_ready", "0 0 0 1x10"), "8m"),
    ],
    "WorkerRestarts": [
        Case({'process_start_time_seconds{job="consent-worker",instance="i"}': "1 2 3 4 4 4"}, "5m",
             {**I, "job": "consent-worker"}),
        Case({'process_start_time_seconds{job="consent-worker",instance="i"}': "1 2 2 2 2 2"}, "5m"),
    ],
    "EventsNotApplied": [
        Case(counted("consent_heartbeats_unproven_total", "0+60x10"), "8m", I),
        Case(counted("consent_heartbeats_unproven_total", "0+1x10"), "8m"),
    ],
    "StageBehind": [
        Case(one("consent_lag_seconds", "8x5", stage="intake"), "3m", {"stage": "intake"}),
        Case(one("consent_lag_seconds", "0.2 9 0.2 0.2", stage="intake"), "3m"),
    ],
    "RestoreStuck": [
        Case(one("consent_engine_restore_left", "500x30", table="t"), "25m", {**I, "table": "t"}),
        Case(one("consent_engine_restore_left", "3000-10x30", table="t"), "25m"),
        Case(one("consent_engine_restore_left", "0x30", table="t"), "25m"),
    ],
    "SlowDelivery": [
        Case(buckets("consent_engine_delivery_seconds", True, topic="t"), "15m", {"topic": "t"}),
        Case(buckets("consent_engine_delivery_seconds", False, topic="t"), "15m"),
    ],
    "QuarantinedFact": [
        Case(counted("consent_quarantined_total", "_x5 1x10", code="bad_key", stage="state"), "8m",
             {**I, "code": "bad_key", "stage": "state"}),
        Case(counted("consent_quarantined_total", "0+1x10", code="too_large", stage="intake"), "8m",
             {**I, "code": "too_large", "stage": "intake"}),
        Case(counted("consent_quarantined_total", "0+9x40", code="not_cloudevent", stage="intake"), "30m"),
        Case(counted("consent_quarantined_total", "4x60", code="bad_key", stage="state"), "50m"),
    ],
    "QuarantinedWithdrawal": [
        Case(one("consent_quarantine_withdrawal_age_seconds", "0+60x30"), "18m", {}),
        Case(one("consent_quarantine_withdrawal_age_seconds", "0+60x30"), "14m"),
    ],
    "QuarantineUnwatched": [
        Case(one("consent_worker_ready", "1x30"), "25m", {}),
        Case(one("consent_worker_ready", "1x30") | one("consent_quarantine_withdrawal_age_seconds", "0x30"), "25m"),
        Case(one("consent_worker_ready", "0x30"), "25m"),
    ],
    "Quarantine": [
        Case(counted("consent_quarantined_total", "0+1x60", code="bad_json", stage="intake"), "40m",
             {"code": "bad_json"}),
        Case(counted("consent_quarantined_total", "0 1 2 3 3x60", code="bad_json", stage="intake"), "40m"),
    ],
    "OtherTenantsKey": [
        Case(counted("consent_ignored_total", "_x5 1x10", reason="other_tenant"), "8m",
             {**I, "reason": "other_tenant"}),
        Case(counted("consent_ignored_total", "0+5x10", reason="unknown_source"), "8m"),
    ],
    "GateNotReady": [
        Case(one("consent_gate_ready", "0x5", channel="email"), "3m", {**I, "channel": "email"}),
        Case(one("consent_gate_ready", "1 0 1 1", channel="email"), "3m"),
    ],
    "GateDown": [
        Case(up("consent-gate", "0x5"), "4m", {**I, "job": "consent-gate"}),
        Case(up("consent-gate", "1 1 0 1 1"), "4m"),
    ],
    "GateStale": [
        Case(one("consent_gate_staleness_seconds", "7x5", channel="sms"), "3m", {**I, "channel": "sms"}),
        Case(one("consent_gate_staleness_seconds", "0.3x5", channel="sms"), "3m"),
    ],
    "GateAlarms": [
        Case(counted("consent_gate_alarms_total", "0 0 1 1 1", channel="email", alarm="null_value"), "4m",
             {**I, "channel": "email", "alarm": "null_value"}),
        Case(counted("consent_gate_alarms_total", "3x60", channel="email", alarm="null_value"), "50m"),
    ],
    "SidecarRefuses": [
        Case(
            counted("consent_sidecar_requests_total", "0+60x20", resource="/v1/check", status="200")
            | counted("consent_sidecar_requests_total", "0+6x20", resource="/v1/check", status="429"), "15m", I),
        Case(counted("consent_sidecar_requests_total", "0+60x20", resource="/v1/check", status="200")
             | counted("consent_sidecar_requests_total", "0+60x20", resource="/readyz", status="503"), "15m"),
    ],
    "EdgeDown": [
        Case(up("consent-edge", "0x5"), "2m", {**I, "job": "consent-edge"}),
        Case(up("consent-edge", "1x5"), "2m"),
    ],
    "EdgeSpools": [
        Case(one("consent_edge_spool_oldest_seconds", "20+60x5"), "2m", I),
        Case(one("consent_edge_spool_oldest_seconds", "2x5"), "2m"),
    ],
    "EdgeRefuses": [
        Case(
            counted("consent_edge_requests_total", "0+60x20", resource="/u/{token}", status="200")
            | counted("consent_edge_requests_total", "0+6x20", resource="/u/{token}", status="503"), "15m", I),
        Case(counted("consent_edge_requests_total", "0+60x20", resource="/u/{token}", status="200")
             | counted("consent_edge_requests_total", "0+60x20", resource="/u/{token}", status="404"), "15m"),
    ],
    "CanaryDown": [
        Case(up("consent-canary", "0x10"), "6m", {**I, "job": "consent-canary"}),
        Case(up("consent-canary", "0 0 0 1x10"), "6m"),
    ],
    "CanaryRefused": [
        Case(counted("consent_canary_presses_total", "0+1x10", outcome="failed"), "8m", {**I, "outcome": "failed"}),
        Case(counted("consent_canary_presses_total", "0 1 1x10", outcome="failed"), "8m"),
        Case(counted("consent_canary_presses_total", "0+1x10", outcome="accepted"), "8m"),
    ],
    "CanaryLost": [
        Case(one("consent_canary_lost", "1x5"), "4m", I),
        Case(one("consent_canary_lost", "0 1 0 0 0"), "4m"),
    ],
    "CanaryUnenforced": [
        Case(one("consent_canary_unenforced", "1 2 3 4", gate="m@h", list="email"), "3m",
             {**I, "gate": "m@h", "list": "email"}),
        Case(one("consent_canary_unenforced", "0x5", gate="m@h", list="email"), "3m"),
    ],
    "GatesSilent": [
        Case(one("consent_canary_gates", "1x5", state="silent"), "4m", {**I, "state": "silent"}),
        Case(one("consent_canary_gates", "9x5", state="speaking"), "4m"),
    ],
    "SlowEnforcement": [
        Case(buckets("consent_enforcement_seconds", True, list="sms", gate="m@h"), "35m", {"list": "sms"}),
        Case(buckets("consent_enforcement_seconds", False, list="sms", gate="m@h"), "35m"),
    ],
    "SourceSilent": [
        Case(CHATTY, f"{END + 360}m", {"source": "/forms"}, "30m"),  # half as long again as the longest: 315 minutes
        Case(CHATTY, f"{END + 300}m", None, "30m"),
        Case(CHATTY, f"{107 * 30}m", None, "30m"),  # the first week teaches: no alarm yet
    ],
    "LateSends": [Case(one("consent_late_sends", "2"), "0m", I), Case(one("consent_late_sends", "0"), "0m")],
    "SendsWithoutPermission": [
        Case(one("consent_late_sends_without_permission", "2"), "0m", I),
        Case(one("consent_late_sends_without_permission", "0"), "0m"),
    ],
    "LateSendsUnknown": [
        Case(one("consent_late_sends_run_timestamp_seconds", "0x60"), "49h", I, "1h"),
        Case(one("consent_late_sends_run_timestamp_seconds", "0x60"), "47h", None, "1h"),
    ],
}  # fmt: skip


def run(*command, cwd=None):
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, timeout=60, cwd=cwd)
    return done.returncode, done.stdout + done.stderr


def test_prometheus_reads_the_rules(promtool):
    code, said = run(promtool, "check", "rules", ALERTS)
    assert code == 0, said


@pytest.fixture(scope="session")
def bare_rules(tmp_path_factory):
    """The rules without their texts, which promtool would compare as well."""
    found = yaml.safe_load(ALERTS.read_text())
    for group in found["groups"]:
        group.pop("interval", None)  # each test has its own pace
        for rule in group["rules"]:
            rule.pop("annotations", None)
    path = tmp_path_factory.mktemp("rules") / "alerts.yml"
    path.write_text(yaml.safe_dump(found))
    return path


def tried(name, cases):
    """One run over series that several cases share."""
    rules = []
    for case in cases:
        expected = [] if case.labels is None else [{"exp_labels": {**case.labels, **RULES[name]["labels"]}}]
        rules.append({"alertname": name, "eval_time": case.at, "exp_alerts": expected})
    series = [{"series": each, "values": values} for each, values in cases[0].series.items()]
    return {"interval": cases[0].step, "input_series": series, "alert_rule_test": rules}


@pytest.mark.parametrize("name", list(RULES))
def test_a_rule_fires_when_it_should_and_only_then(name, promtool, bare_rules, tmp_path):
    cases = CASES[name]
    assert {case.labels is None for case in cases} == {True, False}, "one of each at least"
    tests = {
        "rule_files": [str(bare_rules)],
        "evaluation_interval": cases[0].step,
        "tests": [tried(name, list(same)) for _, same in groupby(cases, key=lambda case: case.series)],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(tests))
    code, said = run(promtool, "test", "rules", tmp_path / "test.yml")
    assert code == 0, said
