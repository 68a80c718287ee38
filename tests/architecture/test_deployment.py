"""docker-compose.yml and the Dockerfile against what the package really is. CI has no Docker, yet nothing may drift."""

import json
import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
import yaml

import consent_stream
from consent_stream.cli import TableGroup, main
from consent_stream.dev.jars import KAFKA_VERSION
from consent_stream.domain.policy import read_policy
from consent_stream.settings import Settings, variable

ROOT = Path(consent_stream.__file__).parent.parent
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"] == "consent-stream"}
SETTINGS = {variable(name) for name in Settings.__dataclass_fields__}

# Compose Specification, services top-level element: the part of it that this file may use.
SERVICE_KEYS = {
    "image", "build", "command", "entrypoint", "environment", "volumes", "ports", "depends_on", "healthcheck",
    "restart", "stop_grace_period", "profiles",
}  # fmt: skip
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def commands(service: dict) -> list[list[str]]:
    """Every `consent-stream …` command line that a service runs."""
    line = [*service.get("entrypoint", ["consent-stream"]), *service.get("command", [])]
    if line[0] == "consent-stream":
        return [line[1:]]
    if line[0] == "python":
        return []
    assert line[:2] == ["sh", "-c"], line
    return [shlex.split(each) for each in re.findall(r"consent-stream ([^|;&]*)", line[2])]


def parse(arguments: list[str]) -> None:
    """Parse as the command line would, without running anything. Errors: click's own."""
    command, name, rest = main, "consent-stream", list(arguments)
    with click.Context(main) as context:
        while isinstance(command, click.Group):
            name, *rest = command.named(rest) if isinstance(command, TableGroup) else rest
            found = command.get_command(context, name)
            assert found is not None, f"no such command: {name}"
            command = found
    command.make_context(name, rest)


@pytest.mark.parametrize("name", list(OURS))
def test_every_command_in_compose_is_one_that_exists(name):
    found = commands(OURS[name])
    assert found or OURS[name]["entrypoint"][0] == "python"
    for each in found:
        parse(each)


def test_the_check_sees_a_command_that_does_not_exist():
    with pytest.raises(click.UsageError):
        parse(["topics", "apply", "--partition", "4"])
    with pytest.raises(AssertionError):
        parse(["topics", "create"])


@pytest.mark.parametrize("name", list(OURS))
def test_every_variable_in_compose_is_a_setting(name):
    environment = OURS[name]["environment"]
    assert set(environment) <= SETTINGS
    flags = {"policy": None, "keys": None}
    assert Settings.read(flags, environment).bootstrap == "kafka:19092"


def test_compose_has_the_kafka_that_the_tests_run():
    assert SERVICES["kafka"]["image"] == f"apache/kafka:{KAFKA_VERSION}"


def test_two_workers_have_ids_and_state_of_their_own():
    workers = {name: each for name, each in OURS.items() if each.get("command", [""])[0] == "worker"}
    assert len(workers) == 2
    ids = {each["command"][each["command"].index("--worker-id") + 1] for each in workers.values()}
    homes = {volume for each in workers.values() for volume in each["volumes"] if volume.endswith(":/data")}
    assert (len(ids), len(homes)) == (2, 2)


@pytest.mark.parametrize("name", list(SERVICES))
def test_the_file_has_the_shape_compose_reads(name):
    service = SERVICES[name]
    assert set(service) <= SERVICE_KEYS
    for other, how in service.get("depends_on", {}).items():
        assert other in SERVICES
        assert how["condition"] in CONDITIONS
        assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_the_mailer_is_the_example_and_has_its_messages():
    _, program, *arguments = SERVICES["mailer"]["entrypoint"]
    assert "./examples:/examples:ro" in SERVICES["mailer"]["volumes"]
    for path in (f"{program}/__main__.py", arguments[-1]):
        assert (ROOT / path.removeprefix("/")).is_file()
    assert arguments[:-1] == ["--every", "5"]


def test_nothing_listens_beyond_this_machine():
    ports = [port for each in SERVICES.values() for port in each.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_copies_what_it_needs_and_runs_as_nobody_special():
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[1:-1]]
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored
    assert "USER consent" in lines
    assert 'ENTRYPOINT ["consent-stream"]' in lines


def test_the_sample_policy_and_events_are_ones_the_product_reads():
    policy = read_policy(tomllib.loads((ROOT / "deploy" / "policy.toml").read_text()))
    lines = (ROOT / "deploy" / "events.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(events) == len(lines) - 1, "one line is there to be quarantined"
    assert all(policy.source(each["source"], each["tenant"]) for each in events)
