"""`detect-deploy plan`."""

from deploy.cli.options import Common, Wanted, takes
from deploy.cli.prepare import account, plan_any
from deploy.cli.screen import answering
from deploy.cli.show import show_plan
from deploy.policies import deployer, execution, gateway


@takes(common=Common, wanted=Wanted)
def command(common: Common, wanted: Wanted) -> None:
    """Show what would be created or changed, the roles' policies and the cost. Touches nothing."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        plan = plan_any(aws, common, wanted)
        show_plan(screen, plan)
        policies = {
            "deployer": deployer(plan.scope),
            "execution": execution(plan.scope),
            "gateway": gateway(plan.scope),
        }
        screen.answer["policies"] = policies
        for role, policy in policies.items():
            screen.document(f"Policy of the {role} role", policy)
