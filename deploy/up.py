"""From nothing, or from wherever an earlier run was stopped, to an endpoint in service."""

from deploy import names
from deploy.aws import Aws, call, until_visible
from deploy.belongings import Thing, belongings, remove, remove_endpoint
from deploy.build import build, explained
from deploy.diagnose import UNKNOWN, failure, likely_cause
from deploy.endpoint import Endpoint, settled
from deploy.errors import AlreadyExists, AwsRefused, DeployError, NotFound, PermissionDenied, Refused
from deploy.plan import Plan
from deploy.policies import deployer
from deploy.role import delete_role


def check_new(plan: Plan) -> None:
    """Raises Refused where the endpoint exists and runs something else."""
    if plan.endpoint_action == "change":
        raise Refused(
            f"The endpoint {plan.wish.endpoint} exists and runs something else.",
            hint="`detect-deploy update` changes it without downtime.",
        )


def up(aws: Aws, plan: Plan) -> Endpoint:
    """The endpoint, in service. Raises AwsRefused and its kin; EndpointFailed with the reason."""
    build(aws, plan)
    if plan.endpoint_action == "replace":
        remove_endpoint(aws, Thing("endpoint", plan.wish.endpoint, plan.wish.endpoint))
    until_visible(aws, lambda: create_endpoint(aws, plan), "endpoint")
    return in_service(aws, plan.wish.endpoint, plan.config)


def create_endpoint(aws: Aws, plan: Plan) -> None:
    """The endpoint, or the same one from an earlier run. Raises ElasticInferenceGone where AWS says so."""
    if settled(aws, plan.wish.endpoint) is not None:
        return
    try:
        call(
            aws.sagemaker.create_endpoint,
            EndpointName=plan.wish.endpoint,
            EndpointConfigName=plan.config,
            Tags=names.tags(plan.wish.endpoint),
        )
    except AlreadyExists:
        return
    except AwsRefused as error:
        raise explained(plan, error) from error


def in_service(aws: Aws, name: str, config: str) -> Endpoint:
    """The endpoint once it is in service with this configuration. Raises EndpointFailed or ElasticInferenceGone.

    The configuration's name is compared: after a failed update the old one is in service again.
    """
    endpoint = until_visible(aws, lambda: present(aws, name), "endpoint")
    if endpoint.status != "InService":
        raise failure(aws, endpoint, f"The endpoint {name} is {endpoint.status}.")
    if endpoint.config != config:
        raise failure(aws, endpoint, f"SageMaker rolled the endpoint {name} back: it serves {endpoint.config} again.")
    aws.report(f"endpoint {name}: InService", done=1.0)
    return endpoint


def present(aws: Aws, name: str) -> Endpoint:
    """The endpoint, settled. Raises NotFound."""
    endpoint = settled(aws, name)
    if endpoint is None:
        raise NotFound(f"There is no endpoint {name}: somebody removed it.")
    return endpoint


def may_roll_back(plan: Plan) -> bool:
    """Whether what `up` failed at never served: only then may it be taken away."""
    being_made = plan.endpoint is not None and plan.endpoint.status == "Creating"
    return plan.endpoint_action in ("create", "replace") or (plan.endpoint_action == "keep" and being_made)


def roll_back(aws: Aws, plan: Plan) -> None:
    """Takes away what `up` made: all of the endpoint's, and the role if this run made it. Never what served."""
    if not may_roll_back(plan):
        return
    for thing in belongings(aws, plan.wish.endpoint, plan.bucket.name):
        remove(aws, thing)
    if plan.role.ours and not plan.role.exists:
        delete_role(aws, plan.wish.endpoint)


def annotate(aws: Aws, plan: Plan, error: DeployError) -> None:
    """Writes into an error what to do, and what exists now as far as AWS still tells."""
    cause = likely_cause(str(error), [])
    if not error.hint and cause != UNKNOWN:
        error.hint = f"Likely cause: {cause}"
    if isinstance(error, PermissionDenied) and not error.documents:
        error.documents = {"the deployer's policy": deployer(plan.scope)}
    try:
        error.left = [str(thing) for thing in belongings(aws, plan.wish.endpoint, plan.bucket.name)]
    except DeployError:
        error.left = []
