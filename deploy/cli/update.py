"""`detect-deploy update`."""

from functools import partial
from typing import Annotated

from deploy.aws import Aws
from deploy.cli.options import Asked, Common, Keep, NoSmoke, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_change, read_existing, tester
from deploy.cli.screen import Screen, answering
from deploy.cli.show import show_endpoint, show_plan
from deploy.cli.undo import undoing
from deploy.endpoint import Endpoint
from deploy.errors import Refused
from deploy.rollout import Guard, Limits
from deploy.update import Test, back, check_change, may_roll_back, roll_back, update

MOST = 50  # a canary is at most half of the instances


@takes(common=Common, wanted=Wanted, asked=Asked)
def command(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    yes: Yes = False,
    keep: Keep = False,
    no_smoke: NoSmoke = False,
    to_previous: Annotated[bool, option("--back", text="Return to the configuration before this one.")] = False,
    canary: Annotated[
        int | None, option(text="Percentage of the instances that gets traffic first; alarms roll it back.", min=1)
    ] = None,
    canary_minutes: Annotated[float, option(text="How long the alarms watch.", min=1, max=60)] = 5.0,
    canary_errors: Annotated[float, option(text="Share of failed invocations that is healthy.", min=0, max=1)] = 0.01,
    canary_latency_ms: Annotated[float, option(text="p90 of the model's time that is healthy.", min=1)] = 1000.0,
) -> None:
    """Change the endpoint without downtime; what is not given stays as it is. What fails is rolled back."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        test = no_test if no_smoke else tester(screen, aws, asked)
        if to_previous:
            show_endpoint(screen, return_to_previous(screen, aws, common, test, yes))
            return
        if canary is not None and canary > MOST:
            raise Refused(f"A canary is at most half of the instances: --canary 1 to {MOST}.")
        guard = canary and Guard(canary, canary_minutes, Limits(canary_errors, canary_latency_ms))
        plan, current = plan_change(aws, common, wanted, guard or None)
        check_change(aws, current, plan)
        show_plan(screen, plan)
        screen.confirm(f"Change the endpoint {common.endpoint_name}?", yes)
        undo = partial(roll_back, aws, plan) if may_roll_back(current, plan) and not keep else None
        with undoing(aws, plan, undo):
            endpoint = update(aws, plan, test)
        show_endpoint(screen, endpoint)


def return_to_previous(screen: Screen, aws: Aws, common: Common, test: Test, yes: bool) -> Endpoint:
    """The endpoint on the configuration before this one."""
    current = read_existing(aws, common)
    screen.confirm(f"Return to {current.previous}?", yes)
    return back(aws, common.endpoint_name, current, test)
