"""`detect-deploy plan`."""

from deploy.cli.options import Common, Wanted, takes
from deploy.cli.prepare import account, plan_any
from deploy.cli.screen import answering
from deploy.cli.show import show_plan
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
    """Show what would be created or changed, the roles' policies and the cost. Touches nothing."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        plan = plan_any(aws, common, wanted)
        show_plan(screen, plan)
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
