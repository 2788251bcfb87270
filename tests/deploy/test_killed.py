"""A process that is really killed, at every call that changes anything; then the same again, or `down`, ends clean."""

from collections.abc import Iterator

import pytest

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud, Rule
from tests.deploy.commands import Deploy, Weights, ended, process
from tests.deploy.deployment import DOWN_WRITES, IMAGE, UP_WRITES, UPDATE_WRITES
from tests.deploy.leftovers import count, leftovers


def killed(cloud: Cloud, operation: str, *arguments: str) -> None:
    """Runs a command and kills it when AWS has done an operation and the command has not heard of it."""
    rule = Rule(operation, hold=True, times=1)
    cloud.rules.append(rule)
    running = process(*arguments)
    try:
        assert rule.reached.wait(60), f"{operation} was never called"
    finally:
        running.kill()
        ended(running)
        rule.release.set()
        cloud.rules.clear()


@pytest.mark.parametrize("operation", ["HeadBucket", *UP_WRITES, "DescribeEndpoint", "InvokeEndpoint"])
class TestUp:
    def test_killed_and_run_again_ends_in_service(
        self, cloud: Cloud, deploy: Deploy, order: list[str], operation: str
    ) -> None:
        killed(cloud, operation, "up", *order)
        again = deploy("up", *order)
        assert again.code == 0, again
        assert (count(cloud, "model"), count(cloud, "endpoint-config"), count(cloud, "endpoint")) == (1, 1, 1)
        assert deploy("down", "--yes").code == 0
        assert leftovers(cloud) == []

    def test_killed_and_taken_down_leaves_nothing(
        self, cloud: Cloud, deploy: Deploy, order: list[str], operation: str
    ) -> None:
        killed(cloud, operation, "up", *order)
        down = deploy("down", "--yes")
        assert down.code == 0, down
        assert leftovers(cloud) == []


@pytest.fixture
def third(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> Iterator[list[str]]:
    """An endpoint with one configuration kept back, and the options of an update that will remove that one."""
    assert deploy("up", *order).code == 0
    assert deploy("update", *order, "--model-dir", weights("second")).code == 0
    yield [*order, "--model-dir", str(weights("third"))]
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


@pytest.mark.parametrize("operation", UPDATE_WRITES)
def test_a_killed_update_is_finished_by_the_next(
    cloud: Cloud, deploy: Deploy, third: list[str], operation: str
) -> None:
    killed(cloud, operation, "update", *third)
    again = deploy("update", "--json", *third)
    assert again.code == 0, again
    assert (count(cloud, "model"), count(cloud, "endpoint-config")) == (2, 2)
    status = deploy("status", "--json").json
    assert status["configuration"] == again.json["endpoint"]["configuration"]
    assert status["kept_back"] != status["configuration"]


@pytest.mark.parametrize("operation", ["PutMetricAlarm", "UpdateEndpoint", "DescribeEndpoint"])
def test_a_killed_canary_is_finished_by_the_next_and_leaves_nothing_after_down(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights, operation: str
) -> None:
    assert deploy("up", *order, "--instances", "2").code == 0
    update = [*order, "--model-dir", str(weights("second")), "--canary", "10"]
    killed(cloud, operation, "update", *update)
    again = deploy("update", *update)
    assert again.code == 0, again
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


@pytest.mark.parametrize("operation", ["DeleteAlarms", "DeleteObject"])
def test_a_killed_down_with_alarms_is_finished_by_the_next(
    cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights, operation: str
) -> None:
    assert deploy("up", *order).code == 0
    assert deploy("update", *order, "--model-dir", weights("second"), "--canary", "10").code == 0
    killed(cloud, operation, "down", "--yes")
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


@pytest.mark.parametrize("operation", ["PutRolePolicy", "UpdateEndpoint"])
def test_a_change_of_repository_killed_anywhere_has_its_way_back(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str
) -> None:
    assert deploy("up", *order).code == 0
    other = IMAGE.replace("detect-endpoint:1", "another:2")
    cloud.registry.push(other)
    killed(cloud, operation, "update", *order, "--image", other)
    assert deploy("update", *order, "--image", other).code == 0
    assert deploy("update", "--yes", "--back").code == 0
    assert deploy("down", "--yes", "--delete-role").code == 0
    assert leftovers(cloud) == []


@pytest.mark.parametrize("operation", DOWN_WRITES)
def test_a_killed_down_is_finished_by_the_next(cloud: Cloud, deploy: Deploy, order: list[str], operation: str) -> None:
    deploy("up", *order)
    assert deploy("scale", "--max", "3", "--yes").code == 0
    killed(cloud, operation, "down", "--yes")
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


SCALE_WRITES = ["RegisterScalableTarget", "PutScalingPolicy"]
SCALES = [
    *((operation, ("--min", "2", "--max", "3", "--invocations", "60")) for operation in SCALE_WRITES),
    ("DeregisterScalableTarget", ("--off",)),
    *((operation, ("--instances", "3")) for operation in ("UpdateEndpointWeightsAndCapacities", "DescribeEndpoint")),
]


@pytest.fixture(params=SCALES, ids=lambda scale: f"{scale[1][0]}-{scale[0]}")
def stopped(cloud: Cloud, deploy: Deploy, order: list[str], request: pytest.FixtureRequest) -> tuple[str, ...]:
    """A `scale` that was killed in the middle, and its options."""
    operation, options = request.param
    assert deploy("up", *order).code == 0
    if "--off" in options:
        assert deploy("scale", "--max", "4", "--yes").code == 0
    killed(cloud, operation, "scale", "--yes", *options)
    return tuple(options)


class TestScale:
    def test_killed_and_run_again_ends_as_ordered(self, cloud: Cloud, deploy: Deploy, stopped: tuple[str, ...]) -> None:
        again = deploy("scale", "--yes", *stopped)
        assert again.code == 0, again
        status = deploy("status", "--json").json
        tracked = "--max" in stopped
        assert status["scaling"] == ({"min": 2, "max": 3} if tracked else None)
        assert len(moto_side.scaling_policies(ACCOUNT, REGION)) == tracked
        assert len(moto_side.alarms(ACCOUNT, REGION)) == 2 * tracked
        if "--instances" in stopped:
            assert status["variant"]["instances"] == 3
        assert deploy("down", "--yes").code == 0
        assert leftovers(cloud) == []

    def test_killed_and_taken_down_leaves_nothing(self, cloud: Cloud, deploy: Deploy, stopped: tuple[str, ...]) -> None:
        down = deploy("down", "--yes")
        assert down.code == 0, down
        assert leftovers(cloud) == []


@pytest.mark.parametrize("operation", ["CreateEndpointConfig", "AddTags", "UpdateEndpoint"])
def test_a_killed_change_of_serverless_concurrency_is_finished_by_the_next(
    cloud: Cloud, deploy: Deploy, order: list[str], operation: str
) -> None:
    assert deploy("up", *order, "--target", "serverless").code == 0
    killed(cloud, operation, "scale", "--yes", "--concurrency", "20")
    assert deploy("scale", "--yes", "--concurrency", "20").code == 0
    status = deploy("status", "--json").json
    assert status["variant"]["serverless"]["MaxConcurrency"] == 20
    assert status["kept_back"] not in (None, status["configuration"])
    assert (count(cloud, "model"), count(cloud, "endpoint-config")) == (1, 2)
    assert deploy("down", "--yes").code == 0
    assert leftovers(cloud) == []


def test_these_are_all_the_steps(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> None:
    deploy("up", *order)
    assert list(dict.fromkeys(cloud.operations)) == UP_WRITES
    deploy("update", *order, "--model-dir", weights("second"))
    cloud.calls.clear()
    deploy("update", *order, "--model-dir", weights("third"))
    assert list(dict.fromkeys(cloud.operations)) == UPDATE_WRITES
    cloud.calls.clear()
    deploy("scale", "--max", "3", "--yes")
    assert cloud.operations == SCALE_WRITES
    cloud.calls.clear()
    deploy("down", "--yes")
    assert list(dict.fromkeys(cloud.operations)) == DOWN_WRITES
