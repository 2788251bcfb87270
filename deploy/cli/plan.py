"""`detect-deploy plan`."""

from deploy.cli.options import Common, Wanted, takes
from deploy.cli.prepare import account, plan_any, plan_example
from deploy.cli.screen import Screen, answering
from deploy.cli.show import show_plan
from deploy.errors import NoCredentials
from deploy.plan import Plan
from deploy.policies import boundary, deployer, execution, gateway, orphans

TITLES = {
    "Policy of the deployer": "deployer",
    "Policy of the execution role": "execution",
    "Policy of the gateway": "gateway",
    "Permissions boundary of the execution role, for an administrator to make": "boundary",
    "Policy for `down --all-orphans`, beside the deployer's": "orphans",
}


@takes(common=Common, wanted=Wanted)
def command(common: Common, wanted: Wanted) -> None:
    """Show what would be created or changed, the roles' policies and the cost. Touches nothing.

    Without AWS credentials, it shows the plan for an example account.
    """
    with answering(common.as_json) as screen:
        try:
            aws = account(common, screen)
        except NoCredentials as missing:
            show_example(screen, plan_example(common, wanted), missing)
            return
        plan = plan_any(aws, common, wanted)
        show_plan(screen, plan)
        show_policies(screen, plan)


def show_example(screen: Screen, plan: Plan, missing: NoCredentials) -> None:
    """The plan without the policies, and why it is not about the operator's own account."""
    show_plan(screen, plan)
    screen.answer["example"] = True
    screen.say(f"{missing} This plan is for an example account ({plan.scope.account}). {missing.hint}")


def show_policies(screen: Screen, plan: Plan) -> None:
    """The policies that the plan needs."""
    policies = {
        "deployer": deployer(plan.scope),
        "execution": execution(plan.scope),
        "gateway": gateway(plan.scope),
        "boundary": boundary(plan.scope),
        "orphans": orphans(plan.scope),
    }
    screen.answer["policies"] = policies
    for title, policy in TITLES.items():
        screen.document(title, policies[policy])
