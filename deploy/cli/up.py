"""`detect-deploy up`."""

from functools import partial
from typing import Annotated

from deploy.cli.options import Asked, Common, NoSmoke, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_new, tester
from deploy.cli.screen import answering
from deploy.cli.show import show_endpoint, show_plan
from deploy.cli.undo import undoing
from deploy.up import check_new, roll_back, up


@takes(common=Common, wanted=Wanted, asked=Asked)
def command(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    yes: Yes = False,
    no_smoke: NoSmoke = False,
    rollback: Annotated[bool, option("--rollback", text="Remove what was made if it fails.")] = False,
    replace: Annotated[bool, option("--replace", text="Delete an endpoint that is stuck, and make it anew.")] = False,
) -> None:
    """Make the endpoint, or go on where an earlier `up` was stopped."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        plan = plan_new(aws, common, wanted)
        check_new(plan, replace)
        show_plan(screen, plan)
        screen.confirm(f"Make the endpoint {common.endpoint_name}?", yes or plan.endpoint_action == "keep")
        test = no_test if no_smoke else tester(screen, aws, asked)
        with undoing(aws, plan, partial(roll_back, aws, plan) if rollback else None):
            endpoint = up(aws, plan)
            test(endpoint)
        show_endpoint(screen, endpoint)
