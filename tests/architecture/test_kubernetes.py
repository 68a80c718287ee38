"""deploy/kubernetes: objects that fit together, with command lines, variables and probes that exist."""

import re
from typing import Any

import pytest
import yaml

from tests.architecture.test_deployment import ROOT, SETTINGS, parse

FOLDER = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
OBJECTS = [
    each for name in KUSTOMIZATION["resources"] for each in yaml.safe_load_all((FOLDER / name).read_text()) if each
]
BY_KIND: dict[tuple[str, str], Any] = {(each["kind"], each["metadata"]["name"]): each for each in OBJECTS}
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]
    for each in OBJECTS
    if each["kind"] in ("StatefulSet", "Deployment", "Job")
}
CONTAINERS = {
    f"{pod}/{container['name']}": (template["spec"], container)
    for pod, template in PODS.items()
    for container in [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
}
OURS = {name: each for name, each in CONTAINERS.items() if each[1]["image"] == "consent-stream"}
VERSIONS = {
    "StatefulSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1", "Service": "v1",
    "PodDisruptionBudget": "policy/v1", "NetworkPolicy": "networking.k8s.io/v1",
}  # fmt: skip
# Kubernetes API, Container v1 core: the fields that these files may use.
FIELDS = {
    "name", "image", "args", "command", "env", "envFrom", "ports", "livenessProbe", "readinessProbe", "startupProbe",
    "securityContext", "resources", "volumeMounts", "restartPolicy",
}  # fmt: skip
WORKER = BY_KIND["StatefulSet", "consent-worker"]


def test_every_file_is_in_the_base():
    files = {each.name for each in FOLDER.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(KUSTOMIZATION["resources"])
    assert len(BY_KIND) == len(OBJECTS)


@pytest.mark.parametrize("kind", sorted(BY_KIND), ids="/".join)
def test_an_object_is_of_a_version_that_is_served(kind):
    assert BY_KIND[kind]["apiVersion"] == VERSIONS[kind[0]]
    assert re.fullmatch(r"[a-z][a-z-]*", kind[1])


@pytest.mark.parametrize("name", list(OURS))
def test_a_command_line_parses(name):
    _, container = OURS[name]
    assert set(container) <= FIELDS
    assert "command" not in container  # the image's entry point
    parse(container["args"])


@pytest.mark.parametrize("name", list(OURS))
def test_every_variable_is_a_setting_and_none_is_secret(name):
    _, container = OURS[name]
    assert container["envFrom"] == [{"configMapRef": {"name": "consent-settings"}}]
    (shared,) = (each["literals"] for each in KUSTOMIZATION["configMapGenerator"] if each["name"] == "consent-settings")
    names = {each.partition("=")[0] for each in shared} | {each["name"] for each in container["env"]}
    assert names <= SETTINGS
    assert "CONSENT_SASL_PASSWORD" not in names


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_a_container_is_locked_up_and_bounded(name):
    pod, container = CONTAINERS[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert "memory" in container["resources"]["limits"]
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}


@pytest.mark.parametrize("name", list(CONTAINERS))
def test_what_is_mounted_is_there_and_secrets_are_kept_from_others(name):
    pod, container = CONTAINERS[name]
    volumes = {each["name"]: each for each in pod.get("volumes", [])}
    claimed = {"data"} if name.startswith(("consent-worker/", "consent-edge/")) else set()
    assert {each["name"] for each in container.get("volumeMounts", [])} <= set(volumes) | claimed
    assert all(each["secret"]["defaultMode"] == 0o440 for each in volumes.values() if "secret" in each)


def test_the_user_is_that_of_the_image():
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert all(f"--uid {pod['spec']['securityContext']['runAsUser']} " in dockerfile for pod in PODS.values())
    assert "[worker,edge]" in dockerfile  # what workers and sidecars import


def test_a_worker_keeps_its_name_its_disk_and_its_peace():
    spec = WORKER["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    given = {each["name"]: each for each in container["env"]}
    assert given["CONSENT_WORKER_ID"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert [each["metadata"]["name"] for each in spec["volumeClaimTemplates"]] == ["data"]
    from consent_stream.engine.outbox import Outbox

    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] > Outbox.__init__.__kwdefaults__["timeout"]
    assert BY_KIND["Service", spec["serviceName"]]["spec"]["clusterIP"] == "None"


def test_a_worker_is_asked_where_it_answers():
    (container,) = WORKER["spec"]["template"]["spec"]["containers"]
    (port,) = container["ports"]
    assert container["args"][-1] == f"0.0.0.0:{port['containerPort']}"
    asked = {container[probe]["httpGet"]["path"] for probe in ("livenessProbe", "readinessProbe")}
    assert asked == {"/livez", "/readyz"}
    source = (ROOT / "consent_stream" / "monitoring" / "exposition.py").read_text()
    assert all(f'"{path}"' in source for path in asked)


SCRAPED = {name: pod for name, pod in PODS.items() if "annotations" in pod["metadata"]}


@pytest.mark.parametrize("name", list(SCRAPED))
def test_prometheus_is_told_a_port_that_is_open_to_it(name):
    pod = SCRAPED[name]
    port = int(pod["metadata"]["annotations"]["prometheus.io/port"])
    assert pod["metadata"]["annotations"]["prometheus.io/scrape"] == "true"
    containers = [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]
    assert port in [each["containerPort"] for container in containers for each in container.get("ports", [])]
    policies = [each["spec"] for (kind, _), each in BY_KIND.items() if kind == "NetworkPolicy"]
    own = [
        each for each in policies if each["podSelector"]["matchLabels"].get("app") == pod["metadata"]["labels"]["app"]
    ]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
    opened = [rule for each in own for rule in each.get("ingress", []) if monitoring in rule["from"]]
    assert port in [each["port"] for rule in opened for each in rule["ports"]]


def test_all_that_run_on_are_scraped():
    assert set(SCRAPED) == {name for name, pod in PODS.items() if name != "consent-topics"}


@pytest.mark.parametrize("kind", [each for each in sorted(BY_KIND) if each[0] in ("PodDisruptionBudget", "Service")])
def test_selectors_meet_pods(kind):
    spec = BY_KIND[kind]["spec"]
    wanted = spec["selector"].get("matchLabels", spec["selector"])
    assert any(wanted.items() <= pod["metadata"]["labels"].items() for pod in PODS.values())


def test_policies_of_the_network_meet_pods():
    policies = [each["spec"] for each in OBJECTS if each["kind"] == "NetworkPolicy"]
    assert policies
    for spec in policies:
        wanted = spec["podSelector"]["matchLabels"].items()
        assert any(wanted <= pod["metadata"]["labels"].items() for pod in PODS.values())
    assert all("consent-kafka" in pod["metadata"]["labels"] for pod in PODS.values())


def test_sidecars_share_a_store_and_a_process_namespace():
    spec = PODS["mailer"]["spec"]
    assert spec["shareProcessNamespace"] is True
    follow, serve = spec["initContainers"]
    assert follow["restartPolicy"] == serve["restartPolicy"] == "Always"
    parse(follow["startupProbe"]["exec"]["command"][1:])
    store = follow["args"][follow["args"].index("--store") + 1]
    assert store == serve["args"][serve["args"].index("--store") + 1] + "/email"
    port = serve["args"][serve["args"].index("--port") + 1]
    for probe in ("livenessProbe", "readinessProbe"):
        program, flag, code = serve[probe]["exec"]["command"]
        assert (program, flag) == ("python", "-c")
        compile(code, "probe", "exec")
        assert f"127.0.0.1:{port}/" in code
