"""Another configuration without downtime, and the way back."""

from collections.abc import Callable
from dataclasses import replace

from deploy import names
from deploy.aws import Aws, call, until_visible
from deploy.belongings import belongings, is_scaled, remove
from deploy.build import build, explained
from deploy.current import Current
from deploy.down import unused
from deploy.endpoint import Endpoint
from deploy.errors import AwsRefused, NotFound, Refused
from deploy.plan import Plan
from deploy.up import in_service, present
from deploy.wish import Wish

Smoke = Callable[[Endpoint], object]


def changed(current: Wish, given: dict[str, object]) -> Wish:
    """The wish with what the operator gave; another target brings its own machine, image and accelerator."""
    target = given.get("target", current.target)
    if target != current.target:
        own_image = current.image if current.target.image is None else None
        current = replace(current, instance_type=None, accelerator=None, image=own_image, environment={})
    return replace(current, **given)  # type: ignore[arg-type] # the options carry the fields' own types


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
    if before.machine != after.machine and is_scaled(aws, after.endpoint):
        raise Refused(
            "SageMaker does not change the instance type of an endpoint that scales by itself.",
            hint="`detect-deploy scale --off`, then update, then `scale` again.",
        )


def update(aws: Aws, plan: Plan, smoke: Smoke) -> Endpoint:
    """The endpoint on the new configuration, smoke-tested; then the old ones go, but for one kept back.

    Raises EndpointFailed where SageMaker rolled back, SmokeFailed with the new configuration serving.
    """
    endpoint = present(aws, plan.wish.endpoint)
    if endpoint.config != plan.config:
        build(aws, plan)
        endpoint = switch(aws, plan, endpoint)
    smoke(endpoint)
    prune(aws, endpoint, plan.bucket.name)
    return endpoint


def serving(aws: Aws, name: str) -> Endpoint:
    """The endpoint, in service whatever it serves. Raises Refused where it is not, NotFound."""
    endpoint = present(aws, name)
    if endpoint.status != "InService":
        raise Refused(
            f"The endpoint {name} is {endpoint.status}, and SageMaker updates only what is in service.",
            hint="`detect-deploy up` replaces an endpoint that failed.",
        )
    return endpoint


def switch(aws: Aws, plan: Plan, before: Endpoint) -> Endpoint:
    """Moves the endpoint to the plan's configuration. Raises EndpointFailed or ElasticInferenceGone."""
    try:
        return move(aws, before, plan.config)
    except AwsRefused as error:
        raise explained(plan, error) from error


def move(aws: Aws, before: Endpoint, config: str) -> Endpoint:
    """Moves the endpoint to a configuration, which remembers the one before it. Raises EndpointFailed."""
    until_visible(aws, lambda: remember(aws, config, before.config), "configuration")
    until_visible(
        aws,
        lambda: call(
            aws.sagemaker.update_endpoint,
            EndpointName=before.name,
            EndpointConfigName=config,
            RetainAllVariantProperties=True,
        ),
        "endpoint",
    )
    return in_service(aws, before.name, config)


def remember(aws: Aws, config: str, previous: str) -> None:
    """Writes into a configuration which one served before it."""
    arn = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)["EndpointConfigArn"]
    call(aws.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": names.PREVIOUS_TAG, "Value": previous}])


def back(aws: Aws, name: str, current: Current, smoke: Smoke) -> Endpoint:
    """The endpoint on the configuration before this one. Raises NotFound where none was kept."""
    if current.previous is None:
        raise NotFound(f"The endpoint {name} has no earlier configuration.")
    endpoint = move(aws, serving(aws, name), current.previous)
    smoke(endpoint)
    return endpoint


def roll_back(aws: Aws, plan: Plan) -> None:
    """Leaves the endpoint on the configuration that served when the plan was made, and nothing of the new one."""
    before = plan.endpoint.config if plan.endpoint else plan.config
    endpoint = present(aws, plan.wish.endpoint)
    if endpoint.config != before:
        endpoint = restore(aws, endpoint, before)
    prune(aws, endpoint, plan.bucket.name)


def restore(aws: Aws, endpoint: Endpoint, config: str) -> Endpoint:
    """The endpoint on an earlier configuration, which keeps remembering its own predecessor."""
    call(
        aws.sagemaker.update_endpoint,
        EndpointName=endpoint.name,
        EndpointConfigName=config,
        RetainAllVariantProperties=True,
    )
    return in_service(aws, endpoint.name, config)


def prune(aws: Aws, endpoint: Endpoint, bucket: str) -> None:
    """Removes what the endpoint neither runs nor keeps back."""
    for thing in unused(aws, endpoint.name, belongings(aws, endpoint.name, bucket)):
        remove(aws, thing)
