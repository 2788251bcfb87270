"""What several commands show in the same way."""

from dataclasses import asdict

from deploy.cli.screen import Screen
from deploy.cost.bill import cost_line, plan_cost
from deploy.cost.prices import read_prices
from deploy.endpoint import Endpoint
from deploy.plan import Plan


def show_plan(screen: Screen, plan: Plan) -> None:
    """The plan's lines and its cost."""
    cost = plan_cost(read_prices(), plan.priced, plan.scope.region)
    screen.answer["plan"] = [asdict(step) for step in plan.steps]
    screen.answer["cost"] = cost
    screen.table("Plan", ("", "what", "name", ""), [(s.action, s.kind, s.name, s.note) for s in plan.steps])
    screen.say(cost_line(cost))
    if plan.endpoint_action == "change" and not plan.wish.target.serverless:
        screen.answer["quota"] = needed = f"{2 * plan.priced.instances} × {plan.wish.machine}"
        screen.say(f"SageMaker starts the new instances beside the old: the account's quota has to allow {needed}.")


def show_endpoint(screen: Screen, endpoint: Endpoint) -> None:
    """What there is now."""
    screen.answer["endpoint"] = {"name": endpoint.name, "status": endpoint.status, "configuration": endpoint.config}
    screen.say(
        f"The endpoint {endpoint.name} is {endpoint.status}. For the gateway: DETECT_ENDPOINT_NAME={endpoint.name}"
    )
