"""Every call of every command is allowed by the printed policies, on its resource and under its conditions; no more."""

import json
import warnings
from typing import Any

import boto3
import pytest
from cloudsplaining.scan.policy_document import PolicyDocument

from deploy.names import log_group
from deploy.policies import Document, boundary, deployer, execution, gateway, orphans
from tests.conftest import ROOT
from tests.deploy.access import Access, allows
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.deployment import BUCKET, IMAGE, NAME, ROLE, SCOPE
from tests.deploy.leftovers import leftovers

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what setuptools is about to remove
    import parliament

NEIGHBOUR = f"{NAME}-2"
# What docker asks the registry when it pushes, which no call of ours shows.
DOCKERS = {
    "ecr:BatchCheckLayerAvailability",
    "ecr:CompleteLayerUpload",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
}
DOCUMENTS = {
    "deployer": deployer(SCOPE),
    "execution": execution(SCOPE),
    "gateway": gateway(SCOPE),
    "boundary": boundary(SCOPE),
    "orphans": orphans(SCOPE),
}


def actions(document: Document) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


@pytest.fixture
def limited(cloud: Cloud, deploy: Deploy, order: list[str]) -> Cloud:
    """An account with an administrator's neighbour; from now on the caller has the deployer's policy alone."""
    assert deploy("up", *order, "--endpoint-name", NEIGHBOUR).code == 0
    cloud.calls.clear()
    cloud.policies = [deployer(SCOPE)]
    return cloud


@pytest.fixture
def alone(cloud: Cloud) -> Cloud:
    """An account with the boundary; from now on the caller has the deployer's policy alone."""
    document = json.dumps(boundary(SCOPE))
    administrator(cloud, "iam").create_policy(PolicyName="detect-gateway-boundary", PolicyDocument=document)
    cloud.calls.clear()
    cloud.policies = [deployer(SCOPE)]
    return cloud


def administrator(cloud: Cloud, service: str) -> Any:
    """A client of somebody who may do everything, as from now on every caller may."""
    cloud.policies = []
    return boto3.Session(region_name=REGION).client(service)


def live(deploy: Deploy, order: list[str], weights: Weights) -> None:
    """Every command there is, from the image to the end."""
    bad = weights("bad", crash="no")
    assert deploy("image", "--name", "detect-endpoint:1", "--context", ROOT).code == 0
    assert deploy("plan", "--json", *order[3:]).json["policies"]["deployer"] == deployer(SCOPE)
    assert deploy("up", *order).code == 0
    assert deploy("update", *order, "--model-dir", weights("second")).code == 0
    assert deploy("update", *order, "--model-dir", weights("third"), "--canary", "10").code == 0
    assert deploy("update", *order, "--model-dir", bad).code == 10
    assert deploy("update", "--yes", "--back").code == 0
    for options in (("--max", "2"), ("--off",), ("--instances", "2")):
        assert deploy("scale", "--yes", *options).code == 0
    assert deploy("scale", "--yes", "--max", "2").code == 0
    for command in ("status", "smoke", "logs"):
        assert deploy(command).code == 0
    assert deploy("cost", "--live").code == 0
    assert deploy("down", "--yes", "--all-orphans").code == 0
    assert deploy("down", "--yes", "--delete-role", "--delete-bucket").code == 0


@pytest.mark.usefixtures("docker")
def test_a_whole_life_beside_a_neighbour_needs_the_deployers_policy_alone(
    limited: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    neighbours = [thing for thing in leftovers(limited) if NEIGHBOUR in thing]
    deploy("up", *order)
    deploy("down", "--yes", "--delete-role")
    assert {check.action for call in limited.calls for check in call.checks} <= actions(deployer(SCOPE))
    assert leftovers(limited) == neighbours


@pytest.mark.usefixtures("docker")
def test_a_whole_life_needs_all_of_the_deployers_policy(
    alone: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    logs = administrator(alone, "logs")
    logs.create_log_group(logGroupName=log_group(NAME))
    alone.policies = [deployer(SCOPE)]
    live(deploy, order, weights)
    used = {check.action for call in alone.calls for check in call.checks}
    assert actions(deployer(SCOPE)) - used == DOCKERS | {"iam:PutRolePermissionsBoundary"}
    assert used <= actions(deployer(SCOPE))


def test_a_role_of_an_earlier_version_gets_its_boundary(alone: Cloud, deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order).code == 0
    administrator(alone, "iam").delete_role_permissions_boundary(RoleName=ROLE.rsplit("/", 1)[1])
    assert deploy("up", *order).code == 0
    role = administrator(alone, "iam").get_role(RoleName=ROLE.rsplit("/", 1)[1])["Role"]
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == SCOPE.boundary_arn


def test_orphans_of_every_endpoint_need_one_document_more(limited: Cloud, deploy: Deploy) -> None:
    limited.plane.stop(limited.plane.running.pop(NEIGHBOUR))
    del limited.plane.items["endpoint", NEIGHBOUR]
    denied = deploy("down", "--all-orphans", "--yes", "--json")
    assert denied.code == 5
    limited.policies.append(orphans(SCOPE))
    assert deploy("down", "--all-orphans", "--yes").code == 0
    assert leftovers(limited) == []


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_no_policy_has_a_wildcard_action_and_every_one_is_short_enough_for_iam(document: Document) -> None:
    assert not any("*" in action for action in actions(document))
    assert len(json.dumps(document, separators=(",", ":"))) < 6144


def sagemaker(kind: str, name: str) -> str:
    return f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:{kind}/{name}"


def tagged(endpoint: str) -> dict[str, str]:
    return {"aws:ResourceTag/detect-gateway:endpoint": endpoint}


def bounded(arn: str) -> dict[str, str]:
    return {"iam:PermissionsBoundary": arn}


@pytest.mark.parametrize(
    ("name", "action", "resource", "context", "yes"),
    [
        (
            "execution",
            "s3:GetObject",
            f"arn:aws:s3:::{BUCKET}/detect-gateway/detect-gateway/abc/model.tar.gz",
            {},
            True,
        ),
        ("execution", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/another/abc/model.tar.gz", {}, False),
        ("execution", "s3:GetObject", f"arn:aws:s3:::{BUCKET}/anything", {}, False),
        ("execution", "s3:PutObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/detect-gateway/x", {}, False),
        ("execution", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/detect-endpoint", {}, True),
        ("execution", "ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/another", {}, False),
        (
            "execution",
            "cloudwatch:PutMetricData",
            "*",
            {"cloudwatch:namespace": "/aws/sagemaker/Endpoints"},
            True,
        ),
        ("execution", "cloudwatch:PutMetricData", "*", {"cloudwatch:namespace": "AWS/SageMaker"}, False),
        ("gateway", "sagemaker:InvokeEndpoint", sagemaker("endpoint", NAME), {}, True),
        ("gateway", "sagemaker:InvokeEndpoint", sagemaker("endpoint", NEIGHBOUR), {}, False),
        ("deployer", "sagemaker:DeleteModel", sagemaker("model", f"{NAME}-0123456789ab"), tagged(NAME), True),
        ("deployer", "sagemaker:DeleteModel", sagemaker("model", f"{NAME}-0123456789ab"), {}, False),
        ("deployer", "sagemaker:DeleteModel", sagemaker("model", f"{NEIGHBOUR}-0123456789ab"), tagged(NAME), False),
        ("deployer", "sagemaker:ListTags", sagemaker("model", f"{NEIGHBOUR}-0123456789ab"), {}, False),
        ("deployer", "iam:CreateRole", ROLE, bounded(SCOPE.boundary_arn), True),
        ("deployer", "iam:CreateRole", ROLE, {}, False),
        ("deployer", "iam:PutRolePolicy", ROLE, {}, False),
        ("deployer", "iam:PutRolePolicy", ROLE, bounded("arn:aws:iam::aws:policy/AdministratorAccess"), False),
        ("deployer", "iam:PassRole", ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}, False),
        ("deployer", "iam:CreatePolicy", SCOPE.boundary_arn, {}, False),
        ("boundary", "iam:PassRole", ROLE, {"iam:PassedToService": "sagemaker.amazonaws.com"}, False),
    ],
)
def test_each_role_may_do_what_is_its_own_and_nothing_else(
    name: str, action: str, resource: str, context: dict[str, str], yes: bool
) -> None:
    assert allows([DOCUMENTS[name]], Access(action, resource, context)) is yes


def test_everything_that_an_endpoint_may_do_is_within_the_boundary() -> None:
    within = actions(boundary(SCOPE))
    assert actions(execution(SCOPE)) <= within


def test_somebody_elses_role_may_be_read_and_passed_alone(
    limited: Cloud, deploy: Deploy, wanted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited.policies.clear()
    iam = boto3.Session(region_name=REGION).client("iam")
    who = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="theirs", AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    policies = deploy("plan", "--json", *wanted, "--role", "theirs").json["policies"]
    arn = f"arn:aws:iam::{ACCOUNT}:role/theirs"
    about = {
        action
        for statement in policies["deployer"]["Statement"]
        if arn in statement["Resource"]
        for action in statement["Action"]
    }
    assert about == {"iam:GetRole", "iam:PassRole"}


def test_a_deployer_without_the_boundary_is_given_it_for_the_administrator(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    cloud.policies = [deployer(SCOPE)]
    answer = deploy("up", "--json", *order)
    assert answer.code == 5
    assert answer.json["error"]["documents"]["permissions boundary"] == boundary(SCOPE)
    assert cloud.calls[-1].operation != "CreateRole"
    document = json.dumps(answer.json["error"]["documents"]["permissions boundary"])
    administrator(cloud, "iam").create_policy(PolicyName="detect-gateway-boundary", PolicyDocument=document)
    cloud.policies = [deployer(SCOPE)]
    assert deploy("up", *order).code == 0


def role_policy(cloud: Cloud) -> Document:
    """What the execution role may do now."""
    name = ROLE.rsplit("/", 1)[1]
    found: Document = administrator(cloud, "iam").get_role_policy(RoleName=name, PolicyName="detect-gateway")[
        "PolicyDocument"
    ]
    return found


def test_the_way_back_keeps_its_rights_after_a_change_of_repository_and_bucket(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    assert deploy("up", *order).code == 0
    other = IMAGE.replace("detect-endpoint:1", "another:2")
    cloud.registry.push(other)
    answer = deploy("update", *order, "--image", other, "--bucket", "another", "--model-dir", weights("second"))
    assert answer.code == 0, answer
    needs = [
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/detect-endpoint"),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/another"),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/detect-gateway/x"),
        ("s3:GetObject", "arn:aws:s3:::another/detect-gateway/detect-gateway/x"),
    ]
    policy = role_policy(cloud)
    assert [need for need in needs if not allows([policy], Access(*need))] == []
    assert deploy("update", "--yes", "--back").code == 0


def test_a_refusal_to_make_alarms_is_a_missing_permission(limited: Cloud, deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order).code == 0
    document = deployer(SCOPE)
    document["Statement"] = [s for s in document["Statement"] if s["Sid"] != "Alarms"]
    limited.policies = [document]
    answer = deploy("scale", "--max", "2", "--yes")
    assert answer.code == 5
    assert "cloudwatch:PutMetricAlarm" in answer.err


def test_only_sagemaker_for_this_account_assumes_the_execution_role(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    assert deploy("up", *order).code == 0
    role = administrator(cloud, "iam").get_role(RoleName=ROLE.rsplit("/", 1)[1])["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert role["PermissionsBoundary"]["PermissionsBoundaryArn"] == SCOPE.boundary_arn


def test_the_log_group_of_a_neighbour_is_not_asked_about(limited: Cloud, deploy: Deploy, order: list[str]) -> None:
    for _ in range(2):
        assert deploy("up", *order).code == 0
    asked = [
        check.resource for call in limited.calls for check in call.checks if call.operation == "ListTagsForResource"
    ]
    assert {arn.split(":log-group:")[1] for arn in asked} == {log_group(NAME)}


def test_a_buckets_own_key_may_be_used_by_the_endpoint_and_the_deployer_through_s3_alone(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    key = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"
    s3 = administrator(cloud, "s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    s3.put_bucket_encryption(
        Bucket=BUCKET,
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    policies = deploy("plan", "--json", *order[3:]).json["policies"]
    through = {"kms:ViaService": f"s3.{REGION}.amazonaws.com"}
    assert allows([policies["execution"]], Access("kms:Decrypt", key, through))
    assert allows([policies["deployer"]], Access("kms:GenerateDataKey", key, through))
    assert not allows([policies["execution"]], Access("kms:Decrypt", key, {}))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_parliament_finds_nothing(name: str) -> None:
    found = parliament.analyze_policy_string(json.dumps(DOCUMENTS[name])).findings
    assert [(finding.issue, finding.detail) for finding in found] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_cloudsplaining_finds_no_way_to_more(name: str) -> None:
    policy = PolicyDocument(DOCUMENTS[name])
    assert policy.allows_privilege_escalation == []
    assert policy.allows_data_exfiltration_actions == []
    assert policy.permissions_management_without_constraints == []
    assert policy.infrastructure_modification == []
    # The one action that ECR cannot limit: without it nothing is pulled or pushed.
    assert set(policy.credentials_exposure) <= {"ecr:GetAuthorizationToken"}
