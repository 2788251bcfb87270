"""Every command beside a neighbour whose name begins with ours: nothing of the neighbour's is touched or listed."""

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from deploy.policies import DEPLOYER_LOOKS, boundary, deployer, orphans
from tests.conftest import ROOT
from tests.deploy import moto_side
from tests.deploy.access import allows
from tests.deploy.cloud import ACCOUNT, REGION, Call, Cloud
from tests.deploy.commands import Answer, Deploy, Weights
from tests.deploy.deployment import NAME, SCOPE
from tests.deploy.leftovers import leftovers

NEIGHBOUR = f"{NAME}-2"
OTHER = ("--endpoint-name", NEIGHBOUR)


def of_the_neighbour(call: Call) -> bool:
    """Whether a call is about something of the neighbour's."""
    return any(NEIGHBOUR in named for named in (call.target, *(check.resource for check in call.checks)))


def owned(cloud: Cloud) -> list[Any]:
    """All that the neighbour has, with its tags and contents."""
    items = [(item.arn, item.tags, item.content) for item in cloud.plane.items.values() if NEIGHBOUR in item.name]
    run = cloud.plane.running[NEIGHBOUR]
    names = [name for name in (*leftovers(cloud), *moto_side.roles(ACCOUNT)) if NEIGHBOUR in name]
    return [items, names, run.config, run.status, run.instances]


@pytest.fixture
def life(cloud: Cloud, deploy: Deploy, order: list[str], weights: Weights) -> list[Call]:
    """A neighbour with everything that an endpoint may have, made by an administrator; the calls that it took."""
    administrator = boto3.Session(region_name=REGION).client("iam")
    administrator.create_policy(PolicyName="detect-gateway-boundary", PolicyDocument=json.dumps(boundary(SCOPE)))
    second = weights("neighbours")
    assert deploy("up", *order, *OTHER, "--instances", "2").code == 0
    assert deploy("update", *order, *OTHER, "--model-dir", second, "--canary", "10").code == 0
    assert deploy("scale", "--yes", *OTHER, "--max", "4").code == 0
    kinds = {thing.split()[0].split("/")[0] for thing in leftovers(cloud)}
    assert kinds >= {"model", "endpoint-config", "endpoint", "policy", "detect-gateway", "TargetTracking-endpoint"}
    calls = [call for call in cloud.calls if of_the_neighbour(call)]
    cloud.calls.clear()
    return calls


@pytest.fixture
def serving(cloud: Cloud, deploy: Deploy, life: list[Call], order: list[str], weights: Weights) -> Cloud:
    """Ours beside it, with a configuration kept back; from now on the caller has our deployer's policy alone."""
    assert deploy("up", *order, "--instances", "2").code == 0
    assert deploy("update", *order, "--model-dir", weights("second")).code == 0
    cloud.calls.clear()
    cloud.policies = [deployer(SCOPE)]
    return cloud


Command = Callable[[Deploy, list[str], Weights], Answer]
COMMANDS: dict[str, Command] = {
    "plan": lambda deploy, order, weights: deploy("plan", "--json", *order[3:]),
    "up": lambda deploy, order, weights: deploy(
        "up", "--json", *order, "--instances", "2", "--model-dir", weights.root / "second"
    ),
    "update": lambda deploy, order, weights: deploy("update", "--json", *order, "--model-dir", weights("third")),
    "canary": lambda deploy, order, weights: deploy(
        "update", "--json", *order, "--model-dir", weights("third"), "--canary", "10"
    ),
    "back": lambda deploy, order, weights: deploy("update", "--json", "--yes", "--back"),
    "track": lambda deploy, order, weights: deploy("scale", "--json", "--yes", "--max", "3"),
    "fix": lambda deploy, order, weights: deploy("scale", "--json", "--yes", "--instances", "1"),
    "off": lambda deploy, order, weights: deploy("scale", "--json", "--yes", "--off"),
    "status": lambda deploy, order, weights: deploy("status", "--json"),
    "smoke": lambda deploy, order, weights: deploy("smoke", "--json"),
    "logs": lambda deploy, order, weights: deploy("logs", "--json"),
    "image": lambda deploy, order, weights: deploy("image", "--json", "--context", ROOT, "--name", "detect-endpoint:1"),
    "cost": lambda deploy, order, weights: deploy("cost", "--json", "--live"),
    "down": lambda deploy, order, weights: deploy("down", "--json", "--yes", "--delete-role", "--delete-bucket"),
}


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_neither_touches_nor_lists_anything_of_the_neighbours(
    serving: Cloud, deploy: Deploy, order: list[str], weights: Weights, command: Command
) -> None:
    before = owned(serving)
    answer = command(deploy, order, weights)
    assert answer.code == 0, answer
    assert [call for call in serving.calls if of_the_neighbour(call)] == []
    assert NEIGHBOUR not in answer.out + answer.err
    assert owned(serving) == before


@pytest.mark.parametrize("rollback", [("up", "--rollback"), ("up", "--replace"), ("update",)], ids=" ".join)
def test_what_fails_is_undone_without_the_neighbour(
    cloud: Cloud, life: list[Call], deploy: Deploy, order: list[str], weights: Weights, rollback: tuple[str, ...]
) -> None:
    bad = weights("bad", crash="no")
    if rollback != ("up", "--rollback"):
        assert deploy("up", *order).code == 0
    if "--replace" in rollback:
        cloud.plane.running[NAME].status = "OutOfService"
    before = owned(cloud)
    cloud.calls.clear()
    cloud.policies = [deployer(SCOPE)]
    answer = deploy(*rollback, "--json", *order, "--model-dir", bad)
    assert answer.code == 10, answer
    assert [call for call in cloud.calls if of_the_neighbour(call)] == []
    assert NEIGHBOUR not in answer.out + answer.err
    assert owned(cloud) == before


def test_the_end_of_ours_leaves_the_neighbour_and_nothing_else(serving: Cloud, deploy: Deploy) -> None:
    assert deploy("down", "--yes", "--delete-role", "--delete-bucket").code == 0
    assert [thing for thing in leftovers(serving) if NEIGHBOUR not in thing] == []
    serving.policies = []
    assert deploy("smoke", *OTHER).code == 0


def test_orphans_of_every_endpoint_are_none_of_a_neighbour_that_serves(serving: Cloud, deploy: Deploy) -> None:
    serving.policies.append(orphans(SCOPE))
    before = owned(serving)
    answer = deploy("down", "--all-orphans", "--yes", "--json")
    assert (answer.code, answer.json["removed"]) == (0, [])
    assert [call for call in serving.calls if call.changes] == []
    assert owned(serving) == before


def test_our_deployer_may_do_nothing_of_all_that_the_neighbours_life_takes(
    cloud: Cloud, life: list[Call], deploy: Deploy
) -> None:
    for command in ("update --yes --back", "scale --yes --off", "scale --yes --instances 1", "status", "smoke", "logs"):
        assert deploy(*command.split(), *OTHER).code == 0
    assert deploy("down", "--yes", "--delete-role", *OTHER).code == 0
    calls = [*life, *(call for call in cloud.calls if of_the_neighbour(call))]
    assert {call.operation for call in calls} >= {"CreateModel", "PutScalingPolicy", "DeleteAlarms", "DeleteRole"}
    allowed = {call.operation for call in calls if all(allows([deployer(SCOPE)], check) for check in call.checks)}
    assert allowed <= {"DescribeAlarms", *(action.partition(":")[2] for action in DEPLOYER_LOOKS)}
