"""The files that put the gateway on a cluster: valid by AWS's and Kubernetes' own schemas, and true to the gateway."""

import copy
import re
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from cfnlint.api import lint  # type: ignore[import-untyped]

from api.settings import Settings
from api.web.routes import router
from deploy.policies import gateway
from tests.deploy.deployment import SCOPE

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "gateway"
TEMPLATE = (FOLDER / "cloudformation.yaml").read_text(encoding="utf-8")
MANIFESTS: list[dict[str, Any]] = list(yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text(encoding="utf-8")))
KINDS = [manifest["kind"] for manifest in MANIFESTS]
VERSIONS = ["1.33", "1.37"]


def manifest(kind: str) -> dict[str, Any]:
    return MANIFESTS[KINDS.index(kind)]


def test_the_template_is_valid_by_cloudformations_own_schemas() -> None:
    assert lint(TEMPLATE) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("NetworkMode: awsvpc", "NetworkModes: awsvpc"),
        ("!GetAtt TaskRole.Arn", "!GetAtt TaskRoll.Arn"),
        ('Memory: "2048"', 'Memory: "100"'),
    ],
)
def test_a_mistake_in_the_template_would_be_found(right: str, wrong: str) -> None:
    assert right in TEMPLATE
    assert lint(TEMPLATE.replace(right, wrong))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_manifest_is_valid_by_kubernetes_own_schemas(kind: str, version: str) -> None:
    kubernetes_validate.validate(manifest(kind), version, strict=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_mistake_in_a_manifest_would_be_found(kind: str) -> None:
    wrong = copy.deepcopy(manifest(kind)) | {"unknown": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_all_parts_are_there() -> None:
    parts = {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget", "NetworkPolicy"}
    assert parts <= set(KINDS)


class Tags(yaml.SafeLoader):
    """Reads CloudFormation's tags as plain values."""


def read_tag(loader: Tags, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """What stands behind a tag, lists read too."""
    return {suffix: loader.construct_sequence(node, True) if isinstance(node, yaml.SequenceNode) else str(node.value)}


Tags.add_multi_constructor("!", read_tag)
READ: dict[str, Any] = yaml.load(TEMPLATE, Tags)  # a SafeLoader with one more rule
RESOURCES, PARAMETERS = READ["Resources"], READ["Parameters"]
CONTAINER = RESOURCES["Task"]["Properties"]["ContainerDefinitions"][0]


def test_the_command_that_the_page_shows_names_the_templates_own_parameters() -> None:
    page = (FOLDER.parents[1] / "docs" / "deploy.md").read_text(encoding="utf-8")
    shown = page[page.index("aws cloudformation deploy") : page.index("`deploy/gateway/kubernetes.yaml`")]
    needed = {name for name, about in PARAMETERS.items() if "Default" not in about}
    assert needed <= set(re.findall(r"(\w+)=…", shown)) <= set(PARAMETERS)


def test_the_task_role_may_do_what_the_printed_policy_says() -> None:
    statement = RESOURCES["TaskRole"]["Properties"]["Policies"][0]["PolicyDocument"]["Statement"][0]
    assert [statement["Action"]] == gateway(SCOPE)["Statement"][0]["Action"]
    assert statement["Resource"]["Sub"].endswith(":endpoint/${EndpointName}")


@pytest.mark.parametrize(
    "variables",
    [[entry["Name"] for entry in CONTAINER["Environment"]], list(manifest("ConfigMap")["data"])],
    ids=["cloudformation", "kubernetes"],
)
def test_every_variable_is_a_setting_of_the_gateway(variables: list[str]) -> None:
    known = {f"DETECT_{name.upper()}" for name in Settings.model_fields}
    assert {name for name in variables if name.startswith("DETECT_")} <= known
    assert "DETECT_ENDPOINT_NAME" in variables


def test_every_health_check_asks_a_path_that_the_gateway_has() -> None:
    pod = manifest("Deployment")["spec"]["template"]["spec"]["containers"][0]
    asked = {pod[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    asked.add(RESOURCES["Targets"]["Properties"]["HealthCheckPath"])
    assert asked == {"/health/live", "/health/ready"}
    assert RESOURCES["Targets"]["Properties"]["HealthCheckPath"] == "/health/live"
    assert asked <= {route.path for route in router.routes}  # type: ignore[attr-defined]
    assert "/health/live" in " ".join(CONTAINER["HealthCheck"]["Command"])


def test_a_pod_stops_gracefully_and_runs_without_privileges() -> None:
    spec = manifest("Deployment")["spec"]["template"]["spec"]
    security = spec["containers"][0]["securityContext"]
    longest = Settings.model_fields["upload_seconds"].default + Settings.model_fields["deadline_seconds"].default
    pause = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert spec["terminationGracePeriodSeconds"] >= pause + longest
    assert CONTAINER["StopTimeout"] >= longest
    assert spec["securityContext"]["runAsNonRoot"]
    assert security == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_deployment_leaves_the_number_of_tasks_to_the_scaling() -> None:
    assert "DesiredCount" not in RESOURCES["Service"]["Properties"]
    assert RESOURCES["Scaling"]["Properties"]["MinCapacity"] == {"Ref": "MinimumTasks"}


def test_a_load_balancer_on_the_internet_needs_keys() -> None:
    (rule,) = READ["Rules"].values()
    assert rule["RuleCondition"] == {"Equals": [{"Ref": "Scheme"}, "internet-facing"]}
    assert rule["Assertions"][0]["Assert"] == {"Not": [{"Equals": [{"Ref": "ApiKeys"}, ""]}]}


def test_errors_latency_and_missing_tasks_have_alarms_and_a_topic() -> None:
    alarms = {name: about for name, about in RESOURCES.items() if about["Type"] == "AWS::CloudWatch::Alarm"}
    watched = {about["Properties"]["MetricName"] for about in alarms.values()}
    assert watched == {"HTTPCode_Target_5XX_Count", "TargetResponseTime", "HealthyHostCount"}
    assert all("AlarmActions" in about["Properties"] for about in alarms.values())


@pytest.mark.parametrize(("address", "port"), [("169.254.170.23/32", 80), ("169.254.20.10/32", 53)])
def test_a_pod_reaches_its_credentials_and_its_nodes_dns(address: str, port: int) -> None:
    rules = manifest("NetworkPolicy")["spec"]["egress"]
    (rule,) = [rule for rule in rules if rule["to"] == [{"ipBlock": {"cidr": address}}]]
    assert {entry["port"] for entry in rule["ports"]} == {port}
