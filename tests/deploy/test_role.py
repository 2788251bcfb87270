"""Which role the endpoint runs as, on a laptop and on a machine that has one."""

import json
from pathlib import Path

import boto3
import pytest

from deploy import role
from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, CREDENTIALS, REGION, Cloud
from tests.deploy.commands import Deploy


def become(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, service: str) -> str:
    """Runs the test on a machine whose role trusts a service; the role's ARN."""
    session = boto3.Session(region_name=REGION)
    who = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [who]})
    made = session.client("iam").create_role(RoleName="machine", Path="/team/", AssumeRolePolicyDocument=trust)
    arn: str = made["Role"]["Arn"]
    given = session.client("sts").assume_role(RoleArn=arn, RoleSessionName="i-1")["Credentials"]
    cloud.machine = {
        "AccessKeyId": given["AccessKeyId"],
        "SecretAccessKey": given["SecretAccessKey"],
        "Token": given["SessionToken"],
        "Expiration": "2099-01-01T00:00:00Z",
    }
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", cloud.url + CREDENTIALS)
    return arn


def roles_used(cloud: Cloud) -> set[str]:
    return {item.content["ExecutionRoleArn"] for (kind, _), item in cloud.plane.items.items() if kind == "model"}


def test_a_notebooks_own_role_is_used(
    cloud: Cloud, deploy: Deploy, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arn = become(cloud, monkeypatch, "sagemaker.amazonaws.com")
    assert deploy("up", *order).code == 0
    assert roles_used(cloud) == {arn}
    assert moto_side.roles(ACCOUNT) == ["machine"]


def test_a_machines_role_that_sagemaker_may_not_assume_is_passed_over(
    cloud: Cloud, deploy: Deploy, order: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    become(cloud, monkeypatch, "ec2.amazonaws.com")
    assert deploy("up", *order).code == 0
    assert roles_used(cloud) == {f"arn:aws:iam::{ACCOUNT}:role/detect-gateway-{REGION}-detect-gateway"}


def test_a_studio_says_which_role_it_runs_as(
    cloud: Cloud, deploy: Deploy, wanted: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    metadata = tmp_path / "resource-metadata.json"
    metadata.write_text(json.dumps({"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/studio"}))
    monkeypatch.setattr(role, "SAGEMAKER_MACHINE", metadata)
    step = deploy("plan", "--json", *wanted).json["plan"][1]
    assert (step["action"], step["name"]) == ("keep", "studio")


def test_our_own_role_is_found_again_and_gets_a_new_images_repository(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    deploy("up", *order)
    cloud.calls.clear()
    other = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/another:2"
    cloud.registry.push(other)
    assert deploy("update", *order, "--image", other).code == 0
    assert "CreateRole" not in cloud.operations
    assert "PutRolePolicy" in cloud.operations
    policy = (
        boto3.Session(region_name=REGION)
        .client("iam")
        .get_role_policy(RoleName=f"detect-gateway-{REGION}-detect-gateway", PolicyName="detect-gateway")[
            "PolicyDocument"
        ]
    )
    assert "repository/another" in json.dumps(policy)


def test_an_administrators_role_of_our_name_is_used_and_neither_rewritten_nor_removed(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    who = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    name = f"detect-gateway-{REGION}-detect-gateway"
    iam = boto3.Session(region_name=REGION).client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps({"Statement": [who]}))
    cloud.calls.clear()
    assert deploy("up", *order).code == 0
    assert deploy("down", "--yes", "--delete-role").code == 0
    assert not {"PutRolePolicy", "DeleteRole", "DeleteRolePolicy"} & set(cloud.operations)
    assert moto_side.roles(ACCOUNT) == [name]


def test_names_stay_within_iams_limit() -> None:
    from deploy.names import role_name

    long = role_name("ap-southeast-2", "x" * 50)
    assert len(long) <= 64
    assert long != role_name("ap-southeast-1", "x" * 50)
