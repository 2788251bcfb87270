"""`detect-deploy scale`."""

from dataclasses import asdict, replace
from typing import Annotated

from deploy.aws import Aws
from deploy.cli.options import Common, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_change
from deploy.cli.screen import Screen, answering
from deploy.cost.bill import cost_line, plan_cost
from deploy.cost.prices import read_prices
from deploy.current import Current, read_current
from deploy.endpoint import existing, set_instances
from deploy.names import scaling_id
from deploy.scaling import Order, Tracking, bounds, check_order, stop_tracking, track
from deploy.update import update


@takes(common=Common)
def command(
    common: Common,
    yes: Yes = False,
    minimum: Annotated[int, option("--min", text="Minimum of instances.")] = 1,
    maximum: Annotated[int | None, option("--max", text="Maximum of instances: turns target tracking on.")] = None,
    invocations: Annotated[float, option(text="Images a minute that one instance should have.")] = 600.0,
    instances: Annotated[int | None, option(text="A fixed number of instances instead.")] = None,
    concurrency: Annotated[int | None, option(text="Serverless: concurrent requests.")] = None,
    off: Annotated[bool, option("--off", text="End target tracking.")] = False,
) -> None:
    """Set target tracking (--max), a fixed number (--instances) or serverless concurrency (--concurrency)."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        tracking = None if maximum is None else Tracking(minimum, maximum, invocations)
        order = Order(tracking, instances, concurrency, off)
        current = read_current(aws, existing(aws, common.endpoint_name))
        check_order(order, current.wish)
        show_bounds(screen, current, order, aws.region)
        screen.confirm(f"Scale the endpoint {common.endpoint_name}?", yes)
        carry_out(aws, common, order)
        screen.answer["scaled"] = asdict(order)


def carry_out(aws: Aws, common: Common, order: Order) -> None:
    """Follows the one order that was given."""
    if order.tracking is not None:
        track(aws, common.endpoint_name, order.tracking)
    elif order.instances is not None:
        set_instances(aws, common.endpoint_name, order.instances)
    elif order.concurrency is not None:
        plan, _ = plan_change(aws, common, Wanted(concurrency=order.concurrency))
        update(aws, plan, no_test)
    else:
        stop_tracking(aws, scaling_id(common.endpoint_name))


def show_bounds(screen: Screen, current: Current, order: Order, region: str) -> None:
    """What the endpoint may cost after scaling."""
    minimum, maximum = bounds(order, current.wish)
    costs = [plan_cost(read_prices(), replace(current.wish, instances=count), region) for count in (minimum, maximum)]
    screen.answer["cost"] = {"minimum": costs[0], "maximum": costs[1]}
    screen.say(f"At minimum {minimum}: {cost_line(costs[0])}")
    screen.say(f"At maximum {maximum}: {cost_line(costs[1])}")
