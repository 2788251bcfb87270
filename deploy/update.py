"""Another configuration without downtime, and the way back."""

from collections.abc import Callable

from deploy.aws import Aws, until_visible
from deploy.belongings import belongings, remove, unused
from deploy.configuration import Current, explaining, is_serverless, remember
from deploy.endpoint import Endpoint, describe, move, present, serving, set_instances
from deploy.errors import NotFound, Refused
from deploy.plan import Plan, build, label
from deploy.rollout import Rollout, make_alarms
from deploy.scaling import tracked

Test = Callable[[Endpoint], object]


def check_change(aws: Aws, current: Current, plan: Plan) -> None:
    """Raises Refused for what UpdateEndpoint would refuse, or what would not run."""
    endpoint = serving(aws, plan.wish.endpoint)
    before, after = current.wish, plan.wish
    check_kind(before.target.serverless, after.target.serverless)
    if before.target.weights != after.target.weights and plan.artifact is None:
        raise Refused(
            f"The target {after.target.name} does not read the artifact of {before.target.name}.",
            hint="Give the weights: --model-dir.",
        )
    if (before.machine != after.machine or plan.recounts) and tracked(aws, after.endpoint):
        raise Refused(
            "SageMaker does not change the instance type of an endpoint that scales by itself, nor do we the number.",
            hint="`detect-deploy scale --off`, then update, then `scale` again.",
        )
    if plan.guard and (after.target.serverless or endpoint.instances is None):
        raise Refused("SageMaker has no canary for serverless endpoints.", hint="Drop --canary.")


def check_kind(before_serverless: bool, after_serverless: bool) -> None:
    """Raises Refused for the one way that SageMaker does not go."""
    if after_serverless and not before_serverless:
        raise Refused(
            "SageMaker cannot turn an endpoint with instances into a serverless one.",
            hint="Make a second one with `up --endpoint-name`, point the gateway at it, then `down` this one.",
        )


def update(aws: Aws, plan: Plan, test: Test) -> Endpoint:
    """The endpoint on the new configuration, smoke-tested; then the old ones go, but for one kept back.

    Raises EndpointFailed where SageMaker rolled back, SmokeFailed with the new configuration serving, and
    ElasticInferenceGone.
    """
    endpoint = present(aws, plan.wish.endpoint)
    if endpoint.config != plan.config:
        build(aws, plan)
        with explaining(plan.wish):
            endpoint = advance(aws, endpoint, plan.config, rollout(aws, plan, endpoint))
    elif plan.recounts and endpoint.instances != plan.wish.instances:
        endpoint = set_instances(aws, endpoint.name, plan.wish.instances)
    label(aws, plan)
    test(endpoint)
    prune(aws, endpoint, plan.bucket.name)
    return endpoint


def rollout(aws: Aws, plan: Plan, before: Endpoint) -> Rollout:
    """How the plan's configuration takes over, with the alarms made."""
    if plan.guard is None:
        return Rollout(reset_instances=plan.recounts)
    alarms = make_alarms(aws, before.name, plan.guard.limits, plan.wish.tags)
    shared = min(before.instances or 0, plan.wish.instances if plan.recounts else before.instances or 0) > 1
    return Rollout(plan.recounts, tuple(alarms), plan.guard.percent if shared else 0, plan.guard.minutes)


def advance(aws: Aws, before: Endpoint, config: str, how: Rollout | None = None) -> Endpoint:
    """Moves the endpoint to a configuration, which remembers the one before it. Raises EndpointFailed."""
    until_visible(aws, lambda: remember(aws, config, before.config), "configuration")
    return move(aws, before, config, how)


def back(aws: Aws, name: str, current: Current, test: Test) -> Endpoint:
    """The endpoint on the configuration before this one. Raises NotFound where none was kept, Refused."""
    if current.previous is None:
        raise NotFound(f"The endpoint {name} has no earlier configuration.")
    check_kind(current.wish.target.serverless, is_serverless(aws, current.previous))
    endpoint = advance(aws, serving(aws, name), current.previous)
    test(endpoint)
    return endpoint


def may_roll_back(current: Current, plan: Plan) -> bool:
    """Whether SageMaker takes the way back from what the plan makes."""
    return plan.wish.target.serverless or not current.wish.target.serverless


def roll_back(aws: Aws, plan: Plan) -> None:
    """Leaves the endpoint on the configuration that served when the plan was made, and nothing of the new one.

    What AWS is still working on is left to it.
    """
    before = plan.endpoint.config if plan.endpoint else plan.config
    endpoint = describe(aws, plan.wish.endpoint)
    if endpoint is None or endpoint.moving:
        return
    if endpoint.config != before:
        endpoint = move(aws, endpoint, before)
    prune(aws, endpoint, plan.bucket.name)


def prune(aws: Aws, endpoint: Endpoint, bucket: str) -> None:
    """Removes what the endpoint neither runs nor keeps back."""
    for thing in unused(aws, endpoint.name, belongings(aws, endpoint.name, bucket)):
        remove(aws, thing)
