"""Another configuration without downtime, and the way back."""

from collections.abc import Callable

from deploy.aws import Aws, until_visible
from deploy.belongings import belongings, remove, unused
from deploy.configuration import explained, remember
from deploy.current import Current
from deploy.endpoint import Endpoint, move, present, serving
from deploy.errors import AwsRefused, NotFound, Refused
from deploy.plan import Plan, build
from deploy.scaling import tracked

Test = Callable[[Endpoint], object]


def check_change(aws: Aws, current: Current, plan: Plan) -> None:
    """Raises Refused for what UpdateEndpoint would refuse, or what would not run."""
    serving(aws, plan.wish.endpoint)
    before, after = current.wish, plan.wish
    if not before.target.serverless and after.target.serverless:
        raise Refused(
            "SageMaker cannot turn an endpoint with instances into a serverless one.",
            hint="Make a second one with `up --endpoint-name`, point the gateway at it, then `down` this one.",
        )
    if before.target.weights != after.target.weights and plan.artifact is None:
        raise Refused(
            f"The target {after.target.name} does not read the artifact of {before.target.name}.",
            hint="Give the weights: --model-dir.",
        )
    if before.machine != after.machine and tracked(aws, after.endpoint):
        raise Refused(
            "SageMaker does not change the instance type of an endpoint that scales by itself.",
            hint="`detect-deploy scale --off`, then update, then `scale` again.",
        )


def update(aws: Aws, plan: Plan, test: Test) -> Endpoint:
    """The endpoint on the new configuration, smoke-tested; then the old ones go, but for one kept back.

    Raises EndpointFailed where SageMaker rolled back, SmokeFailed with the new configuration serving.
    """
    endpoint = present(aws, plan.wish.endpoint)
    if endpoint.config != plan.config:
        build(aws, plan)
        endpoint = switch(aws, plan, endpoint)
    test(endpoint)
    prune(aws, endpoint, plan.bucket.name)
    return endpoint


def switch(aws: Aws, plan: Plan, before: Endpoint) -> Endpoint:
    """Moves the endpoint to the plan's configuration. Raises EndpointFailed or ElasticInferenceGone."""
    try:
        return advance(aws, before, plan.config)
    except AwsRefused as error:
        raise explained(plan.wish, error) from error


def advance(aws: Aws, before: Endpoint, config: str) -> Endpoint:
    """Moves the endpoint to a configuration, which remembers the one before it. Raises EndpointFailed."""
    until_visible(aws, lambda: remember(aws, config, before.config), "configuration")
    return move(aws, before.name, config)


def back(aws: Aws, name: str, current: Current, test: Test) -> Endpoint:
    """The endpoint on the configuration before this one. Raises NotFound where none was kept."""
    if current.previous is None:
        raise NotFound(f"The endpoint {name} has no earlier configuration.")
    endpoint = advance(aws, serving(aws, name), current.previous)
    test(endpoint)
    return endpoint


def roll_back(aws: Aws, plan: Plan) -> None:
    """Leaves the endpoint on the configuration that served when the plan was made, and nothing of the new one."""
    before = plan.endpoint.config if plan.endpoint else plan.config
    endpoint = present(aws, plan.wish.endpoint)
    if endpoint.config != before:
        endpoint = move(aws, endpoint.name, before)
    prune(aws, endpoint, plan.bucket.name)


def prune(aws: Aws, endpoint: Endpoint, bucket: str) -> None:
    """Removes what the endpoint neither runs nor keeps back."""
    for thing in unused(aws, endpoint.name, belongings(aws, endpoint.name, bucket)):
        remove(aws, thing)
