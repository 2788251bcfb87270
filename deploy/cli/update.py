"""`detect-deploy update`."""

from functools import partial
from typing import Annotated

from deploy.cli.options import Asked, Common, NoSmoke, Rollback, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_change, tester
from deploy.cli.screen import answering
from deploy.cli.show import show_endpoint, show_plan
from deploy.cli.undo import undoing
from deploy.update import back, check_change, roll_back, update


@takes(common=Common, wanted=Wanted, asked=Asked)
def command(
    common: Common,
    wanted: Wanted,
    asked: Asked,
    yes: Yes = False,
    rollback: Rollback = False,
    no_smoke: NoSmoke = False,
    to_previous: Annotated[bool, option("--back", text="Return to the configuration before this one.")] = False,
) -> None:
    """Change the endpoint without downtime; what is not given stays as it is. The old configuration is kept back."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        plan, current = plan_change(aws, common, wanted)
        test = no_test if no_smoke else tester(screen, aws, asked)
        if to_previous:
            screen.confirm(f"Return to {current.previous}?", yes)
            show_endpoint(screen, back(aws, common.endpoint_name, current, test))
            return
        check_change(aws, current, plan)
        show_plan(screen, plan)
        screen.confirm(f"Change the endpoint {common.endpoint_name}?", yes)
        with undoing(aws, plan, partial(roll_back, aws, plan) if rollback else None):
            endpoint = update(aws, plan, test)
        show_endpoint(screen, endpoint)
