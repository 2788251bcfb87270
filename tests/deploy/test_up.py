"""`up`: from nothing to an endpoint that answers, and what it says when that fails."""

import boto3
import pytest

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Deploy, Weights
from tests.deploy.deployment import UP_WRITES
from tests.deploy.leftovers import count, leftovers


def test_up_smoke_status_and_down_leave_nothing_behind(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    up = deploy("up", "--json", *order)
    assert up.code == 0, up
    assert up.json["endpoint"]["status"] == "InService"
    assert up.json["smoke"]["boxes"] == [[1.0, 2.0, 32.0, 32.0]]
    assert cloud.operations == UP_WRITES
    assert deploy("smoke").code == 0
    down = deploy("down", "--json", "--yes", "--delete-role", "--delete-bucket")
    assert down.code == 0, down
    assert down.json["left"] == []
    assert leftovers(cloud) == []
    assert (moto_side.roles(ACCOUNT), moto_side.buckets(ACCOUNT)) == ([], [])


def test_up_again_changes_nothing(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    cloud.calls.clear()
    again = deploy("up", "--json", *order)
    assert again.code == 0
    assert {step["action"] for step in again.json["plan"]} == {"keep"}
    assert cloud.operations == []


@pytest.mark.parametrize("command", ["plan", "up"])
def test_nothing_is_made_before_the_plan_is_confirmed(
    cloud: Cloud, deploy: Deploy, wanted: list[str], command: str
) -> None:
    answer = deploy(command, "--json", *wanted)
    assert answer.code == (0 if command == "plan" else 3)
    assert [step["action"] for step in answer.json["plan"]] == ["create"] * 7
    assert cloud.operations == []


def test_the_plan_names_cost_and_least_privilege_policies(deploy: Deploy, wanted: list[str]) -> None:
    plan = deploy("plan", "--json", *wanted, "--instances", "2").json
    assert plan["cost"]["per_hour"] == pytest.approx(0.204)
    assert plan["cost"]["per_month"] == pytest.approx(0.204 * 730)
    assert set(plan["policies"]) == {"deployer", "execution", "gateway", "boundary", "orphans"}
    assert "eu-west-1, where they differ" in plan["cost"]["note"]


def test_up_refuses_to_change_what_serves(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> None:
    deploy("up", *order)
    cloud.calls.clear()
    answer = deploy("up", *order, "--model-dir", weights("other"))
    assert answer.code == 2
    assert "update" in answer.err
    assert cloud.operations == []


def test_eventual_consistency_is_waited_for(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    cloud.plane.lag = 2
    assert deploy("up", *order).code == 0
    assert cloud.operations.count("CreateModel") == 3
    assert cloud.operations.count("CreateEndpointConfig") == 3
    assert cloud.operations.count("CreateEndpoint") == 3


@pytest.mark.parametrize("operation", [*UP_WRITES, "DescribeEndpoint", "InvokeEndpoint"])
def test_access_denied_at_any_step_names_it_and_what_exists(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str
) -> None:
    code = "AccessDenied" if operation in (*UP_WRITES[:5], "PutObject") else "AccessDeniedException"
    rule = Rule(operation, code, f"not authorized to perform: {operation}", status=403)
    cloud.rules.append(rule)
    answer = deploy("up", "--json", *order)
    assert answer.code == (11 if operation == "InvokeEndpoint" else 5), answer
    assert operation in answer.json["error"]["message"]
    cloud.rules.clear()
    assert len(answer.json["error"]["left"]) == len([left for left in leftovers(cloud) if "running" not in left]) or (
        operation == "DescribeEndpoint"  # then nobody can say
    )
    assert deploy("up", *order).code == 0


@pytest.mark.parametrize("operation", ["GetRole", "CreateRole", "PutRolePolicy"])
def test_a_deployer_without_iam_gets_the_documents_for_the_administrator(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str
) -> None:
    cloud.rules.append(Rule(operation, "AccessDenied", "no", status=403))
    error = deploy("up", "--json", *order).json["error"]
    trust, permissions, _ = error["documents"].values()
    assert trust["Statement"][0]["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert "s3:GetObject" in permissions["Statement"][0]["Action"]
    assert "detect-gateway-eu-west-1-detect-gateway" in error["hint"]


def test_a_crashed_container_is_explained_with_its_log(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights
) -> None:
    folder = weights("bad", crash="MemoryError: cannot allocate")
    answer = deploy("up", "--json", *order, "--model-dir", folder)
    assert answer.code == 10
    error = answer.json["error"]
    assert "ping health check" in error["message"]
    assert "out of memory" in error["hint"]
    assert error["log"] == ["MemoryError: cannot allocate"]
    assert any(left.startswith("endpoint ") for left in error["left"])


def test_a_failed_endpoint_is_replaced_by_the_next_up(
    deploy: Deploy, order: list[str], wanted: list[str], weights: Weights
) -> None:
    assert deploy("up", *order, "--model-dir", weights("bad", crash="no")).code == 10
    plan = deploy("plan", "--json", *wanted).json["plan"]
    assert plan[-1]["action"] == "replace"
    assert deploy("up", *order).code == 0


@pytest.mark.parametrize("about", [{"crash": "no"}, {"answer": "error"}, {"answer": "outside"}])
def test_a_failed_up_with_rollback_leaves_nothing(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights, about: dict[str, str]
) -> None:
    answer = deploy("up", "--json", *order, "--rollback", "--model-dir", weights("bad", **about))
    assert answer.code in (10, 11)
    assert answer.json["error"]["left"] == []
    assert leftovers(cloud) == []
    assert moto_side.roles(ACCOUNT) == []


def test_quota_of_zero_is_said_to_be_one(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    cloud.plane.quotas["ml.c6i.large"] = 0
    answer = deploy("up", *order)
    assert answer.code == 6
    assert "service limit 'ml.c6i.large" in answer.err
    assert count(cloud, "endpoint") == 0


def test_somebody_elses_endpoint_is_never_touched(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    item = cloud.plane.items["endpoint", "detect-gateway"]
    item.tags.clear()
    cloud.calls.clear()
    for command in ("up", "update", "down"):
        assert deploy(command, *(order if command != "down" else ["--yes"])).code == 9
    assert cloud.operations == []


def test_somebody_elses_bucket_is_never_written_to(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    cloud.rules.append(Rule("HeadBucket", "403", "Forbidden", status=403))
    answer = deploy("up", *order)
    assert answer.code == 9
    assert "another account" in answer.err
    assert cloud.operations == []


def test_a_given_role_is_used_as_it_is(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    own = moto_side.roles(ACCOUNT)[0]
    deploy("down", "--yes")
    cloud.calls.clear()
    arn = f"arn:aws:iam::{ACCOUNT}:role/{own}"
    assert deploy("up", *order, "--endpoint-name", "second", "--role", arn).code == 0
    assert not {"CreateRole", "PutRolePolicy"} & set(cloud.operations)
    model = next(item for (kind, _), item in cloud.plane.items.items() if kind == "model")
    assert model.content["ExecutionRoleArn"] == arn


def test_a_role_that_is_not_there_is_said_so(deploy: Deploy, order: list[str]) -> None:
    assert deploy("up", *order, "--role", "nobody").code == 8


def test_the_log_is_kept_a_month_and_an_operators_own_retention_stays(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    from moto.logs.models import logs_backends

    deploy("up", *order)
    group = logs_backends[ACCOUNT][REGION].groups["/aws/sagemaker/Endpoints/detect-gateway"]
    assert str(group.retention_in_days) == "30"
    group.retention_in_days = "365"
    deploy("up", *order)
    assert str(group.retention_in_days) == "365"


def test_what_somebody_else_made_meanwhile_is_taken_as_it_is(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    deploy("up", *order)
    for operation in ("DescribeModel", "DescribeEndpointConfig"):
        cloud.rules.append(Rule(operation, "ValidationException", "Could not find it", times=1))
    assert deploy("up", *order).code == 0
    assert (count(cloud, "model"), count(cloud, "endpoint-config")) == (1, 1)


def test_rollback_never_removes_what_serves(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> None:
    deploy("up", *order)
    before = leftovers(cloud)
    for status in ("InService", "Updating"):
        cloud.plane.running["detect-gateway"].status = status
        assert deploy("up", *order, "--rollback", "--model-dir", weights(f"other-{status}")).code == 2
        assert leftovers(cloud) == before
    cloud.rules.append(Rule("InvokeEndpoint", "ModelError", "no", status=424))
    assert deploy("up", *order, "--rollback").code == 11
    assert leftovers(cloud) == before


def test_a_missing_permission_comes_with_the_policy_that_gives_it(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    cloud.rules.append(Rule("CreateModel", "AccessDeniedException", "not authorized", status=403))
    (policy,) = deploy("up", "--json", *order).json["error"]["documents"].values()
    assert any("sagemaker:CreateModel" in statement["Action"] for statement in policy["Statement"])


@pytest.mark.parametrize(
    ("operation", "code"),
    [("PutObject", "SlowDown"), ("CreateRole", "Throttling"), ("CreateEndpoint", "ThrottlingException")],
)
def test_every_services_throttling_is_waited_out(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str, code: str
) -> None:
    cloud.rules.append(Rule(operation, code, "Rate exceeded", status=503 if code == "SlowDown" else 400, times=2))
    assert deploy("up", *order).code == 0
    assert cloud.operations.count(operation) == 3


def test_other_bytes_of_the_same_length_are_not_taken_for_the_artifact(
    cloud: Cloud, deploy: Deploy, order: list[str]
) -> None:
    deploy("up", *order)
    (place,) = moto_side.objects(ACCOUNT)
    bucket, _, key = place.partition("/")
    s3 = boto3.Session(region_name=REGION).client("s3")
    right = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(len(right)))
    assert deploy("up", *order).code == 0
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == right


def test_a_bucket_in_another_region_is_refused(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    boto3.Session(region_name="us-west-2").client("s3").create_bucket(
        Bucket="far-away", CreateBucketConfiguration={"LocationConstraint": "us-west-2"}
    )
    cloud.calls.clear()
    answer = deploy("up", *order, "--bucket", "far-away")
    assert answer.code == 2
    assert "us-west-2" in answer.err
    assert cloud.operations == []


def test_the_containers_log_is_shown_while_the_endpoint_is_made(cloud: Cloud, deploy: Deploy, order: list[str]) -> None:
    cloud.plane.slowness = 10
    answer = deploy("up", *order)
    assert answer.code == 0
    assert answer.err.count("listening on http://127.0.0.1") == 1
