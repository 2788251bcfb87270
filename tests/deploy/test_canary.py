"""`update --canary`: a part of the traffic first, alarms that roll back by themselves, and nothing of them left."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.leftovers import leftovers

CANARY = ("--yes", "--requests", "1", "--canary", "10")
ALARMS = ["detect-gateway/detect-gateway/errors", "detect-gateway/detect-gateway/latency"]


@pytest.fixture
def serving(cloud: Cloud, deploy: Deploy, order: list[str]) -> str:
    """The configuration of an endpoint with two instances."""
    up = deploy("up", "--json", *order, "--instances", "2")
    assert up.code == 0, up
    cloud.calls.clear()
    return str(up.json["endpoint"]["configuration"])


@pytest.fixture
def code(order: list[str]) -> tuple[str, str]:
    """Where the hooks are."""
    return "--code-dir", order[order.index("--code-dir") + 1]


@contextmanager
def traffic() -> Iterator[None]:
    """Clients that ask all the time."""
    runtime, over = boto3.Session(region_name=REGION).client("sagemaker-runtime"), threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answer = runtime.invoke_endpoint(
                    EndpointName="detect-gateway", ContentType="application/json", Body=b'{"short": 8}'
                )
                answer["Body"].close()
            except ClientError:
                pass  # the canary's errors, which the alarm counts

    asking = threading.Thread(target=ask)
    asking.start()
    yield
    over.set()
    asking.join(60)
    runtime.close()


def test_an_alarm_that_fires_rolls_back_and_leaves_nothing_of_the_update(
    cloud: Cloud, deploy: Deploy, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    before = leftovers(cloud)
    cloud.plane.canary = 1 << 30
    with traffic():
        answer = deploy("update", "--json", *CANARY, "--model-dir", weights("bad", answer="error"), *code)
    assert answer.code == 10, answer
    assert "alarm" in answer.json["error"]["hint"]
    assert deploy("status", "--json").json["configuration"] == serving
    assert sorted(leftovers(cloud)) == sorted([*before, *ALARMS])
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


def test_a_healthy_canary_takes_over_and_its_alarms_are_ours(
    cloud: Cloud, deploy: Deploy, serving: str, weights: Weights, code: tuple[str, str]
) -> None:
    with traffic():
        answer = deploy("update", "--json", *CANARY, "--model-dir", weights("second"), *code)
    assert answer.code == 0, answer
    assert answer.json["endpoint"]["configuration"] != serving
    tags = (
        boto3.Session(region_name=REGION)
        .client("cloudwatch")
        .list_tags_for_resource(ResourceARN=f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:{ALARMS[0]}")["Tags"]
    )
    assert tags == [{"Key": "detect-gateway:endpoint", "Value": "detect-gateway"}]
    assert deploy("down", "--yes").code == 0
    assert moto_side.alarms(ACCOUNT, REGION) == []


def test_one_instance_is_not_shared_out_but_watched_all_the_same(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights, code: tuple[str, str]
) -> None:
    assert deploy("up", *order).code == 0
    assert deploy("update", *CANARY, "--model-dir", weights("second"), *code).code == 0
    assert moto_side.alarms(ACCOUNT, REGION) == ALARMS


@pytest.mark.parametrize("percent", ["0", "51"])
def test_a_canary_is_at_most_half(cloud: Cloud, deploy: Deploy, serving: str, percent: str) -> None:
    assert deploy("update", "--yes", "--canary", percent).code == 2
    assert cloud.operations == []


def test_a_serverless_endpoint_has_no_canary(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights, code: tuple[str, str]
) -> None:
    assert deploy("up", *order, "--target", "serverless").code == 0
    cloud.calls.clear()
    assert deploy("update", *CANARY, "--model-dir", weights("second"), *code).code == 2
    assert cloud.operations == []
