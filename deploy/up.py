"""From nothing, or from wherever an earlier run was stopped, to an endpoint in service."""

from deploy.aws import Aws, until_visible
from deploy.belongings import belongings, remove
from deploy.configuration import explaining
from deploy.endpoint import STUCK, Endpoint, create_endpoint, delete_endpoint, in_service
from deploy.errors import Refused
from deploy.plan import Plan, build, label
from deploy.role import delete_role


def check_new(plan: Plan, replace: bool = False) -> None:
    """Raises Refused where the endpoint exists and runs something else, or is stuck and not to be replaced."""
    if plan.endpoint is not None and plan.endpoint.status in STUCK and not replace:
        raise Refused(
            f"The endpoint {plan.wish.endpoint} is {plan.endpoint.status}, and AWS does not take it further.",
            hint="`detect-deploy up --replace` deletes it and makes it anew; `detect-deploy down` removes it.",
        )
    if plan.endpoint_action == "change":
        raise Refused(
            f"The endpoint {plan.wish.endpoint} exists and runs something else.",
            hint="`detect-deploy update` changes it without downtime.",
        )


def up(aws: Aws, plan: Plan) -> Endpoint:
    """The endpoint, in service. Raises AwsRefused and its kin; EndpointFailed with the reason."""
    build(aws, plan)
    name = plan.wish.endpoint
    if plan.endpoint_action == "replace":
        delete_endpoint(aws, name)
    with explaining(plan.wish):
        until_visible(aws, lambda: create_endpoint(aws, name, plan.config, plan.wish.tags), "endpoint")
    endpoint = in_service(aws, name, plan.config)
    label(aws, plan)
    return endpoint


def may_roll_back(plan: Plan) -> bool:
    """Whether what `up` failed at never served: only then may it be removed."""
    being_made = plan.endpoint is not None and plan.endpoint.status == "Creating"
    return plan.endpoint_action in ("create", "replace") or (plan.endpoint_action == "keep" and being_made)


def roll_back(aws: Aws, plan: Plan) -> None:
    """Removes what `up` made: all of the endpoint's, and the role if this run made it. Never what served."""
    if not may_roll_back(plan):
        return
    for thing in belongings(aws, plan.wish.endpoint, plan.bucket.name):
        remove(aws, thing)
    if plan.role.ours and not plan.role.exists:
        delete_role(aws, plan.wish.endpoint)
