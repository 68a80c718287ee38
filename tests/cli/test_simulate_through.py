"""`simulate --through`: what is refused before a broker is needed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from consent_stream import topics
from consent_stream.cli import main
from consent_stream.policyfile import load_policy
from consent_stream.scenario import read_scenarios
from consent_stream.settings import Settings, SettingsError
from consent_stream.through import reach, why_unsendable
from consent_stream.through.deployment import SIMULATED_EVENTS
from consent_stream.topics import check_topics
from consent_stream.wire.topics import EVENTS

SCENARIOS = Path(__file__).parents[1] / "scenarios"
NOBODY = "127.0.0.1:1"  # tcpmux; nobody listens


def simulate(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(main, ["simulate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.parametrize(
    ("received", "why"),
    [
        ("2026-03-10T10:00:00.000001Z", "events[0].received is finer than Kafka's millisecond"),
        ("1970-01-01T00:00:00Z", "events[0].received is before 1970"),
        ("1969-12-31T23:59:59Z", "events[0].received is before 1970"),
        ("2026-03-10T10:00:00.001Z", None),
    ],
)
def test_append_times_that_kafka_cannot_carry_are_told_and_not_rounded(
    received: str, why: str | None, tmp_path: Path
) -> None:
    content = json.loads((SCENARIOS / "T04.json").read_text(encoding="utf-8"))
    content["events"][0]["received"] = received
    path = tmp_path / "one.json"
    path.write_text(json.dumps(content))
    (scenario,) = read_scenarios(path)
    assert why_unsendable(scenario) == why
    if why is not None:
        code, out, err = simulate(path, "--through", NOBODY)
        assert (code, out) == (2, "")
        assert f"one.json: {scenario.name}: not sent: {why}" in err
        assert "no scenario can be sent" in err


def test_a_kafka_that_is_not_there_is_one_line_and_exits_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topics, "TIMEOUT", 0.5)
    code, out, err = simulate(SCENARIOS / "T04.json", "--through", NOBODY)
    assert (code, out) == (2, "")
    assert err.startswith(f"consent-stream: no Kafka answers at {NOBODY}")
    assert err.count("\n") == 1


def test_a_bootstrap_that_is_none_exits_2() -> None:
    code, _, err = simulate(SCENARIOS / "T04.json", "--through", "kafka")
    assert code == 2
    assert "--bootstrap (CONSENT_BOOTSTRAP)" in err


def test_a_malformed_file_is_refused_before_kafka_is_asked(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    code, _, err = simulate(SCENARIOS / "T04.json", tmp_path / "x.json", "--through", NOBODY)
    assert code == 2
    assert "scenario.name: is missing" in err


def test_the_environment_says_how_to_reach_kafka_and_not_what_to_work_on() -> None:
    environ = {"CONSENT_BOOTSTRAP": "a:1", "CONSENT_TOPIC_PREFIX": "live-", "CONSENT_WORKER_ID": "w"}
    secured = {"CONSENT_SECURITY_PROTOCOL": "SSL"}
    assert reach("b:2", environ | secured) == Settings(bootstrap="b:2", topic_prefix="sim-", security_protocol="SSL")


@pytest.mark.parametrize("prefix", ["", "live-", "t-sim-", "sim"])
def test_a_deployment_can_not_be_told_that_time_is_simulated(prefix: str) -> None:
    with pytest.raises(SettingsError, match=r"topic-prefix.*simulated time is for prefixes that begin with sim-"):
        check_topics(Settings(bootstrap=NOBODY, topic_prefix=prefix), simulated_time=True)


def test_no_variable_brings_simulated_time_along(tmp_path: Path) -> None:
    environ = {"CONSENT_SIMULATED_TIME": "1", "SIMULATED_TIME": "1"}
    told: list[bool] = []

    def run_worker(*_: object, simulated_time: bool, **__: object) -> None:
        told.append(simulated_time)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("consent_stream.worker.run_worker", run_worker)
        patch.setattr("consent_stream.commands.worker.log_to_stderr", lambda *_, **__: None)
        for flags in ([], ["--simulated-time"]):
            CliRunner().invoke(main, ["worker", *flags], env=environ, auto_envvar_prefix="CONSENT")
    assert told == [False, True]


def test_events_differ_from_the_declared_topic_in_their_clock_alone() -> None:
    ours, declared = SIMULATED_EVENTS.settings(1), EVENTS.settings(1)
    differ = {name for name in ours if ours[name] != declared.get(name)}
    assert differ == {"message.timestamp.type", "message.timestamp.after.max.ms", "retention.ms"}
    assert (SIMULATED_EVENTS.name, SIMULATED_EVENTS.key) == (EVENTS.name, EVENTS.key)


def test_a_policy_in_json_is_the_one_in_toml(tmp_path: Path) -> None:
    table = {
        "tenants": {"acme": {"stop_scope": "program"}},
        "notices": {
            "acme": [{"id": "n1", "version": 1, "effective": "2026-01-01T00:00:00Z", "purposes": ["marketing"]}]
        },
    }
    (tmp_path / "p.json").write_text(json.dumps(table))
    (tmp_path / "p.toml").write_text(
        '[tenants.acme]\nstop_scope = "program"\n\n'
        '[[notices.acme]]\nid = "n1"\nversion = 1\neffective = 2026-01-01T00:00:00Z\npurposes = ["marketing"]\n'
    )
    assert load_policy(tmp_path / "p.json")[0] == load_policy(tmp_path / "p.toml")[0]
    assert load_policy(tmp_path / "p.json")[1] == table


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, '{"tenant": {}}', "[]", "\udcff", '{"tenants": {}, "tenants": {"acme": {}}}']
)
def test_a_policy_in_json_that_cannot_be_used_names_its_file(text: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(SettingsError, match=r"--policy .*p\.json: "):
        load_policy(path)
