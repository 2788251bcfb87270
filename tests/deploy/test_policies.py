"""The policies name what the code calls, no more and no less."""

import json
from fnmatch import fnmatchcase

import boto3
import pytest

from deploy.policies import Document, deployer, execution, gateway
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.deployment import BUCKET, SCOPE

# Where the operation's name is not the permission's.
PERMISSIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "HeadObject": "GetObject",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
}
# Asked of AWS by AWS in the deployer's name, so that no call of ours shows them.
IMPLIED = {"iam:PassRole", "iam:TagRole", "iam:CreateServiceLinkedRole"}


def actions(document: Document) -> set[str]:
    return {action for statement in document["Statement"] for action in statement["Action"]}


def test_a_deployers_policy_holds_just_the_actions_of_a_whole_life(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    bad = weights("bad", crash="no")
    boto3.Session(region_name=REGION).client("logs").create_log_group(
        logGroupName=SCOPE.log_group.split(":log-group:")[1]
    )
    assert deploy("up", *order).code == 0
    assert deploy("update", *order, "--model-dir", weights("second")).code == 0
    assert deploy("update", *order, "--model-dir", weights("third")).code == 0
    assert deploy("update", *order, "--model-dir", bad).code == 10
    for options in (("--max", "2"), ("--off",), ("--instances", "2")):
        assert deploy("scale", "--yes", *options).code == 0
    deploy("scale", "--yes", "--max", "2")
    for command in ("status", "smoke", "logs"):
        deploy(command)
    deploy("cost", "--live")
    deploy("down", "--all-orphans")
    assert deploy("down", "--yes", "--delete-role", "--delete-bucket").code == 0
    called = {f"{call.service}:{PERMISSIONS.get(call.operation, call.operation)}" for call in cloud.calls}
    called = {name.replace("monitoring:", "cloudwatch:") for name in called} - {"sts:GetCallerIdentity"}
    assert called | {"logs:CreateLogGroup"} == actions(deployer(SCOPE)) - IMPLIED


@pytest.mark.parametrize("document", [deployer(SCOPE), execution(SCOPE), gateway(SCOPE)])
def test_no_policy_has_a_wildcard_action_and_every_one_is_short_enough_for_iam(document: Document) -> None:
    assert not any("*" in action for action in actions(document))
    assert len(json.dumps(document, separators=(",", ":"))) < 6144


def allowed(document: Document, action: str, resource: str) -> bool:
    return any(
        action in statement["Action"] and any(fnmatchcase(resource, pattern) for pattern in statement["Resource"])
        for statement in document["Statement"]
    )


@pytest.mark.parametrize(
    ("action", "resource", "yes"),
    [
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/detect-gateway/abc/model.tar.gz", True),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/another/abc/model.tar.gz", False),
        ("s3:GetObject", f"arn:aws:s3:::{BUCKET}/anything", False),
        ("s3:PutObject", f"arn:aws:s3:::{BUCKET}/detect-gateway/detect-gateway/x", False),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/detect-endpoint", True),
        ("ecr:BatchGetImage", f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/another", False),
    ],
)
def test_the_execution_role_reads_its_own_artifact_and_image_alone(action: str, resource: str, yes: bool) -> None:
    assert allowed(execution(SCOPE), action, resource) is yes


def test_the_gateway_may_invoke_the_one_endpoint() -> None:
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/"
    assert allowed(gateway(SCOPE), "sagemaker:InvokeEndpoint", f"{arn}detect-gateway")
    assert not allowed(gateway(SCOPE), "sagemaker:InvokeEndpoint", f"{arn}detect-gateway-2")
