"""`update`: another configuration without downtime, the old one kept back, and the ways it can fail."""

import threading

import boto3
import pytest

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Deploy, Weights
from tests.deploy.leftovers import count, leftovers

SMOKE = ("--yes", "--requests", "1")


@pytest.fixture
def serving(cloud: Cloud, deploy: Deploy, order: list[str]) -> str:
    """The configuration of an endpoint in service."""
    up = deploy("up", "--json", *order)
    assert up.code == 0, up
    cloud.calls.clear()
    return str(up.json["endpoint"]["configuration"])


@pytest.fixture
def code(order: list[str]) -> tuple[str, str]:
    """Where the hooks are."""
    return "--code-dir", order[order.index("--code-dir") + 1]


def test_update_keeps_one_configuration_back_and_removes_the_one_before(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    second = deploy("update", "--json", *SMOKE, "--model-dir", weights("second"), *code).json["endpoint"][
        "configuration"
    ]
    assert deploy("status", "--json").json["kept_back"] == serving
    third = deploy("update", "--json", *SMOKE, "--model-dir", weights("third"), *code).json["endpoint"]["configuration"]
    assert {name for kind, name in cloud.plane.items if kind == "endpoint-config"} == {second, third}
    assert count(cloud, "model") == len(moto_side.objects(ACCOUNT)) == 2


def test_what_is_not_given_stays_as_it_is(deploy: Deploy, cloud: Cloud, order: list[str], weights: Weights) -> None:
    given = ("--env", "DETECT_LABELS=person", "--instance-type", "ml.c6i.xlarge", "--instances", "2")
    deploy("up", *order, *given)
    assert deploy("update", *SMOKE, "--instance-type", "ml.c6i.2xlarge").code == 0
    newest = [item for (kind, _), item in cloud.plane.items.items() if kind == "endpoint-config"][-1]
    variant = newest.content["ProductionVariants"][0]
    assert (variant["InstanceType"], variant["InitialInstanceCount"]) == ("ml.c6i.2xlarge", 2)
    model = cloud.plane.items["model", variant["ModelName"]].content
    assert model["PrimaryContainer"]["Environment"] == {"DETECT_LABELS": "person"}
    assert count(cloud, "model") == 1


def test_an_update_without_a_change_changes_nothing(deploy: Deploy, cloud: Cloud, serving: str) -> None:
    again = deploy("update", "--json", *SMOKE)
    assert again.json["endpoint"]["configuration"] == serving
    assert cloud.operations == []


def test_the_instances_that_autoscaling_chose_stay(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    deploy("scale", "--instances", "3", "--yes")
    deploy("update", *SMOKE, "--model-dir", weights("second"), *code)
    assert deploy("status", "--json").json["variant"]["instances"] == 3


def test_a_rolled_back_update_is_a_failure_although_the_endpoint_is_in_service(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    answer = deploy("update", "--json", *SMOKE, "--model-dir", weights("bad", crash="No module named 'codec'"), *code)
    assert answer.code == 10
    assert serving in answer.json["error"]["message"]
    assert "layout" in answer.json["error"]["hint"]
    status = deploy("status", "--json").json
    assert (status["status"], status["configuration"]) == ("InService", serving)


@pytest.mark.parametrize("about", [{"crash": "no"}, {"answer": "error"}, {"answer": "outside"}])
def test_a_failed_update_serves_as_before_and_leaves_nothing_of_itself(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str], about: dict[str, str]
) -> None:
    before = leftovers(cloud)
    answer = deploy("update", *SMOKE, "--model-dir", weights("bad", **about), *code)
    assert answer.code in (10, 11)
    assert deploy("status", "--json").json["configuration"] == serving
    assert leftovers(cloud) == before


def test_what_fails_serves_on_where_it_is_to_be_kept(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    assert deploy("update", *SMOKE, "--keep", "--model-dir", weights("bad", answer="error"), *code).code == 11
    assert deploy("status", "--json").json["kept_back"] == serving
    assert deploy("update", *SMOKE, "--back").code == 0
    assert deploy("status", "--json").json["configuration"] == serving


def test_images_are_answered_all_through_an_update(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    runtime = boto3.Session(region_name=REGION).client("sagemaker-runtime")
    over, statuses = threading.Event(), set()

    def ask() -> None:
        while not over.is_set():
            answer = runtime.invoke_endpoint(
                EndpointName="detect-gateway", ContentType="application/json", Body=b'{"short": 8}'
            )
            statuses.add(answer["ResponseMetadata"]["HTTPStatusCode"])
            answer["Body"].close()

    asking = threading.Thread(target=ask)
    cloud.plane.slowness = 5
    asking.start()
    assert deploy("update", *SMOKE, "--model-dir", weights("second"), *code).code == 0
    over.set()
    asking.join(60)
    runtime.close()
    assert statuses == {200}


def test_an_instance_type_does_not_change_under_autoscaling(deploy: Deploy, cloud: Cloud, serving: str) -> None:
    deploy("scale", "--max", "3", "--yes")
    cloud.calls.clear()
    answer = deploy("update", *SMOKE, "--instance-type", "ml.c6i.xlarge")
    assert answer.code == 2
    assert "scale --off" in answer.err
    assert cloud.operations == []


def test_an_endpoint_with_instances_does_not_become_serverless(deploy: Deploy, cloud: Cloud, serving: str) -> None:
    assert deploy("update", *SMOKE, "--target", "serverless").code == 2
    assert cloud.operations == []


def test_another_engine_needs_its_own_weights(deploy: Deploy, cloud: Cloud, serving: str) -> None:
    answer = deploy("update", *SMOKE, "--target", "mxnet")
    assert answer.code == 2
    assert "--model-dir" in answer.err


def test_update_of_nothing_says_so(deploy: Deploy) -> None:
    assert deploy("update", *SMOKE).code == 8


def test_a_failed_endpoint_is_not_updated_but_replaced_by_up(
    deploy: Deploy, cloud: Cloud, order: list[str], weights: Weights, code: tuple[str, str]
) -> None:
    deploy("up", *order, "--model-dir", weights("bad", crash="no"))
    cloud.calls.clear()
    answer = deploy("update", *SMOKE, "--model-dir", weights("second"), *code)
    assert (answer.code, cloud.operations) == (2, [])
    assert "`detect-deploy up`" in answer.err


def test_a_rollback_that_fails_is_told_beside_the_failure(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    cloud.rules.append(Rule("DeleteModel", "AccessDeniedException", "no DeleteModel", status=403))
    bad = weights("bad", answer="error")
    error = deploy("update", "--json", *SMOKE, "--model-dir", bad, *code).json["error"]
    assert error["kind"] == "SmokeFailed"
    assert "no DeleteModel" in error["hint"]


def test_the_way_back_is_tested_with_the_size_of_the_model_that_it_returns_to(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    second = deploy("update", "--json", *SMOKE, "--model-dir", weights("second", input_size=32), *code)
    assert second.json["smoke"]["shape"] == [1, 3, 32, 32]
    assert deploy("update", "--json", *SMOKE, "--back").json["smoke"]["shape"] == [1, 3, 64, 64]


def instances(deploy: Deploy) -> int:
    """How many there are now."""
    return int(deploy("status", "--json").json["variant"]["instances"])


def test_a_number_of_instances_that_is_given_is_there_afterwards_and_priced(
    deploy: Deploy, cloud: Cloud, serving: str
) -> None:
    deploy("scale", "--instances", "3", "--yes")
    kept = deploy("plan", "--json")
    assert kept.json["cost"]["per_hour"] == pytest.approx(3 * 0.102)
    changed = deploy("update", "--json", *SMOKE, "--instances", "2")
    assert changed.json["cost"]["per_hour"] == pytest.approx(2 * 0.102)
    assert instances(deploy) == 2
    deploy("scale", "--instances", "3", "--yes")
    assert deploy("update", *SMOKE, "--instances", "2").code == 0
    assert instances(deploy) == 2


def test_a_number_of_instances_is_refused_under_autoscaling(deploy: Deploy, cloud: Cloud, serving: str) -> None:
    deploy("scale", "--max", "3", "--yes")
    assert deploy("update", *SMOKE, "--instances", "2").code == 2


@pytest.mark.parametrize("about", [{}, {"answer": "error"}])
def test_what_aws_still_says_of_the_time_before_is_no_rollback(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str], about: dict[str, str]
) -> None:
    cloud.plane.stale = 3
    answer = deploy("update", "--json", *SMOKE, "--model-dir", weights("second", **about), *code)
    assert answer.code == (11 if about else 0), answer
    cloud.plane.stale = 3
    assert deploy("scale", "--instances", "2", "--yes").code == 0
    assert instances(deploy) == 2
    assert (deploy("status", "--json").json["configuration"] == serving) is bool(about)


def test_a_rollback_without_a_reason_is_explained_by_the_log(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    cloud.plane.silent = True
    answer = deploy("update", "--json", *SMOKE, "--model-dir", weights("bad", crash="MemoryError"), *code)
    assert answer.code == 10
    assert "out of memory" in answer.json["error"]["hint"]


def test_serverless_and_instances_change_places_in_one_direction_alone(
    deploy: Deploy, cloud: Cloud, order: list[str]
) -> None:
    assert deploy("up", *order, "--target", "serverless").code == 0
    assert deploy("update", *SMOKE, "--target", "cpu", "--image", order[order.index("--image") + 1]).code == 0
    cloud.calls.clear()
    answer = deploy("update", *SMOKE, "--back")
    assert answer.code == 2
    assert "serverless" in answer.err
    assert cloud.operations == []


@pytest.mark.parametrize("status", ["OutOfService", "UpdateRollbackFailed"])
def test_an_endpoint_that_is_stuck_has_two_ways_out(
    deploy: Deploy, cloud: Cloud, serving: str, order: list[str], status: str
) -> None:
    cloud.plane.running["detect-gateway"].status = status
    for command in ("up", "update"):
        answer = deploy(command, *order)
        assert answer.code == 2
        assert "`detect-deploy up --replace`" in answer.err
        assert "`detect-deploy down`" in answer.err
    assert cloud.operations == []
    assert deploy("up", "--replace", *order).code == 0
    cloud.plane.running["detect-gateway"].status = status
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


def test_the_doubled_quota_of_an_update_is_said_beforehand(
    deploy: Deploy, cloud: Cloud, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    deploy("scale", "--instances", "3", "--yes")
    cloud.calls.clear()
    answer = deploy("update", "--json", "--model-dir", weights("second"), *code)
    assert answer.json["quota"] == "6 × ml.c6i.large"
    assert cloud.operations == []
