"""The Kubernetes example, against the published schemas, the settings and the image."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from service import __version__
from service.__main__ import _parser
from service.environment import read
from service.settings import Settings
from tests.conftest import SECRET
from tests.container import compose, last

FOLDER = Path(__file__).with_name("kubernetes")
OLDEST = "1.27.0"
ELSEWHERE = {"direct_url", "host", "jwt_secret", "port"}
"""Not the deployment's to set: of migrations, of the image, and another name for
BETTER_AUTH_SECRET.
"""


def documents() -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob("*.yaml"))
    return [document for file in files for document in YAML(typ="safe").load_all(file)]


def of_kind(kind: str) -> dict[str, Any]:
    """The only document of that kind."""
    [found] = [document for document in documents() if document["kind"] == kind]
    return found


def pod(kind: str) -> dict[str, Any]:
    """What a pod of that kind runs."""
    spec: dict[str, Any] = of_kind(kind)["spec"]["template"]["spec"]
    return spec


def container(kind: str) -> dict[str, Any]:
    """The only container of that kind's pod."""
    [only] = pod(kind)["containers"]
    found: dict[str, Any] = only
    return found


@pytest.mark.usefixtures("without_iris")
@pytest.mark.parametrize("version", [OLDEST, "newest"])
def test_every_document_is_valid_for_oldest_and_newest_kubernetes(version: str) -> None:
    """Every document is valid for the oldest release it is written for and for the newest known,
    without unknown members.
    """
    import kubernetes_validate

    known = {"newest": kubernetes_validate.latest_version()}
    for document in documents():
        kubernetes_validate.validate(document, known.get(version, version), strict=True)


def test_kubernetes_and_compose_set_the_same_variables() -> None:
    """Kubernetes and Compose set the same variables: all settings that there are, but for those
    that are not theirs.
    """
    kubernetes = set(of_kind("ConfigMap")["data"]) | {
        variable["name"] for variable in container("Deployment")["env"]
    }
    assert kubernetes == compose()["services"]["service"]["environment"].keys()
    assert kubernetes == {name.upper() for name in Settings.model_fields.keys() - ELSEWHERE}


def test_the_examples_values_start_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The example's values are ones that the service starts with, and its secrets come from the
    Secret alone.
    """
    for name, value in of_kind("ConfigMap")["data"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DATABASE_URL", "postgresql://service@host/tasks")
    monkeypatch.setenv("BETTER_AUTH_SECRET", SECRET)
    settings = read(Settings)
    assert settings.metrics_port == 9464
    assert all(
        variable["valueFrom"]["secretKeyRef"]["name"] == "task-service"
        for variable in container("Deployment")["env"]
    )


def test_the_grace_period_covers_drain_and_requests() -> None:
    """Kubernetes and Compose wait longer than the service may take to drain and to finish its
    requests.
    """
    data, defaults = of_kind("ConfigMap")["data"], Settings.model_fields
    drain = float(data["DRAIN_SECONDS"] or defaults["drain_seconds"].default)
    needed = drain + float(data["REQUEST_TIMEOUT"] or defaults["request_timeout"].default) + 5
    assert pod("Deployment")["terminationGracePeriodSeconds"] >= needed
    assert compose()["services"]["service"]["stop_grace_period"] == "30s"
    assert needed <= 30


@pytest.mark.parametrize("kind", ["Deployment", "Job"])
def test_containers_run_unprivileged_and_read_only(kind: str) -> None:
    """Containers of our image run with its uid, on a read-only file system, without capabilities, a
    token or other services' variables.
    """
    runs, only = pod(kind), container(kind)
    assert (
        f"{runs['securityContext']['runAsUser']}:{runs['securityContext']['runAsGroup']}"
        == last("USER")
    )
    assert runs["securityContext"]["runAsNonRoot"] is True
    assert runs["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert runs["automountServiceAccountToken"] is runs["enableServiceLinks"] is False
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert only["resources"]["limits"]["memory"]
    assert [mount["mountPath"] for mount in only["volumeMounts"]] == ["/tmp"]


def test_metrics_and_probe_ports_have_no_service() -> None:
    """The Service goes to the port that the image listens on; metrics and probes have ports that
    no Service has.
    """
    ports = {port["name"]: port["containerPort"] for port in container("Deployment")["ports"]}
    http, probed = last("EXPOSE").split()
    assert ports == {
        "http": int(http),
        "probes": int(probed),
        "metrics": int(of_kind("ConfigMap")["data"]["METRICS_PORT"]),
    }
    assert [port["targetPort"] for port in of_kind("Service")["spec"]["ports"]] == ["http"]
    probes = {
        name: container("Deployment")[f"{name}Probe"]["httpGet"]
        for name in ("startup", "liveness", "readiness")
    }
    assert {probe["port"] for probe in probes.values()} == {"probes"}
    assert of_kind("ConfigMap")["data"]["PROBE_PORT"] == probed
    assert [probe["path"] for probe in probes.values()] == ["/livez", "/livez", "/readyz"]
    annotations = of_kind("Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(ports["metrics"]),
    }


def test_deployment_service_and_budget_select_the_same_pods() -> None:
    """Deployment, Service, disruption budget and spread mean the same pods, and the Job's are not
    among them.
    """
    deployment = of_kind("Deployment")["spec"]
    labels = deployment["template"]["metadata"]["labels"]
    spread = [
        constraint["labelSelector"]["matchLabels"]
        for constraint in pod("Deployment")["topologySpreadConstraints"]
    ]
    budget = of_kind("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]
    assert [labels] * 5 == [
        deployment["selector"]["matchLabels"],
        of_kind("Service")["spec"]["selector"],
        budget,
        *spread,
    ]
    assert not labels.items() <= of_kind("Job")["spec"]["template"]["metadata"]["labels"].items()


def test_the_job_migrates_with_the_deployments_image() -> None:
    """The Job runs a command that the image has, with the same image as the Deployment, as the
    owner of the tables.
    """
    job = container("Job")
    options = _parser().parse_args(job["args"])
    assert (options.expand, options.grant) == (True, "service")
    assert (
        job["image"]
        == container("Deployment")["image"]
        == f"registry.example/task-service:{__version__}"
    )
    assert of_kind("Job")["metadata"]["name"].endswith(__version__.replace(".", "-"))
    assert [variable["valueFrom"]["secretKeyRef"]["key"] for variable in job["env"]] == [
        "MIGRATE_URL"
    ]


def test_a_rollout_keeps_the_number_of_ready_replicas() -> None:
    """A rollout takes no replica away before its successor is ready, and a node that is emptied
    takes one at a time.
    """
    deployment = of_kind("Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert of_kind("PodDisruptionBudget")["spec"]["maxUnavailable"] < deployment["replicas"]
