"""`detect-deploy scale`."""

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

from deploy.aws import Aws
from deploy.cli.options import Common, Wanted, Yes, option, takes
from deploy.cli.prepare import account, no_test, plan_change, read_existing
from deploy.cli.screen import Screen, answering
from deploy.configuration import Current
from deploy.cost.bill import cost_line, plan_cost
from deploy.cost.measured import read_bench
from deploy.cost.prices import read_prices
from deploy.endpoint import set_instances
from deploy.errors import Refused
from deploy.names import scaling_id
from deploy.scaling import Order, Tracking, bounds, check_order, stop_tracking, track
from deploy.status import last_hour
from deploy.update import update

FILL = 0.7  # how much of what an instance can do is asked of it


@takes(common=Common)
def command(
    common: Common,
    yes: Yes = False,
    minimum: Annotated[int, option("--min", text="Minimum of instances.")] = 1,
    maximum: Annotated[int | None, option("--max", text="Maximum of instances: turns target tracking on.")] = None,
    invocations: Annotated[
        float | None, option(text="Images a minute that one instance should have. Default: 70 % of what it can.")
    ] = None,
    bench: Annotated[Path | None, option(text="A bench result that says what it can; else the last hour's.")] = None,
    instances: Annotated[int | None, option(text="A fixed number of instances instead.")] = None,
    concurrency: Annotated[int | None, option(text="Serverless: concurrent requests.")] = None,
    off: Annotated[bool, option("--off", text="End target tracking.")] = False,
) -> None:
    """Set target tracking (--max), a fixed number (--instances) or serverless concurrency (--concurrency)."""
    with answering(common.as_json) as screen:
        aws = account(common, screen)
        current = read_existing(aws, common)
        tracking = None
        if maximum is None and (minimum, invocations, bench) != (1, None, None):
            raise Refused("--min, --invocations and --bench are about target tracking, which --max turns on.")
        if maximum is not None:
            target = proposed(aws, current, bench) if invocations is None else invocations
            tracking = Tracking(minimum, maximum, target)
        order = Order(tracking, instances, concurrency, off)
        check_order(order, current.wish)
        show_bounds(screen, current, order, aws.region)
        if order.tracking is not None:
            screen.say(f"Each instance should have {order.tracking.invocations:.0f} images a minute.")
        screen.confirm(f"Scale the endpoint {common.endpoint_name}?", yes)
        carry_out(aws, common, order)
        screen.answer["scaled"] = asdict(order)


def proposed(aws: Aws, current: Current, bench: Path | None) -> float:
    """A target for each instance: most of what one can do in a minute, by a bench or the last hour's median latency.

    One request after the other is the least that an instance does. Raises Refused where nothing was measured.
    """
    name = current.wish.target.name
    if bench is not None:
        measured = read_bench(bench).get(name)
        if measured is None:
            raise Refused(
                f"{bench} has nothing of the target {name}.", hint="`detect-deploy smoke --json` measures it."
            )
        return math.floor(FILL * 60 * measured.images_per_second)
    latency = last_hour(aws, current.wish.endpoint)["latency_p50_ms"]
    if not latency:
        raise Refused(
            "Nothing was measured in the last hour that a target could be proposed from.",
            hint="Run `detect-deploy smoke`, or give --invocations or --bench.",
        )
    return max(1, math.floor(FILL * 60_000 / latency))


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
