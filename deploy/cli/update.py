"""`detect-deploy update`."""

from functools import partial
from typing import Annotated

from deploy.aws import Aws
from deploy.cli.options import Asked, Canary, Common, NoSmoke, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_change, read_existing, tester
from deploy.cli.screen import Screen, answering
from deploy.cli.show import show_endpoint, show_plan
from deploy.cli.undo import undoing
from deploy.endpoint import Endpoint
from deploy.errors import Refused
from deploy.update import Test, back, check_change, may_roll_back, roll_back, update


@takes(common=Common, wanted=Wanted, asked=Asked, canary=Canary)
def command(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    canary: Canary,
    yes: Yes = False,
    no_smoke: NoSmoke = False,
    keep: Annotated[bool, option("--keep", text="Leave what fails serving, instead of rolling it back.")] = False,
    to_previous: Annotated[bool, option("--back", text="Return to the configuration before this one.")] = False,
) -> None:
    """Change the endpoint without downtime; what is not given stays as it is. What fails is rolled back."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        test = no_test if no_smoke else tester(screen, aws, asked)
        if to_previous:
            if (wanted, canary) != (Wanted(), Canary()):
                raise Refused("--back returns to what was, and changes nothing else.")
            show_endpoint(screen, return_to_previous(screen, aws, common, test, yes))
            return
        plan, current = plan_change(aws, common, wanted, canary.guard())
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
