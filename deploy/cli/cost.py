"""`detect-deploy cost`."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from deploy.cli.options import Common, option, takes
from deploy.cli.prepare import account
from deploy.cli.screen import Screen, answering
from deploy.cost.bill import COLUMNS, answer, notes, rows
from deploy.cost.bulk import bulk_line, bulk_way, endpoint_from
from deploy.cost.gateway import Gateway, gateway_cost
from deploy.cost.measured import SHIPPED, Measured, parse_throughput, read_bench
from deploy.cost.plot import plot
from deploy.cost.prices import Prices, live_prices, read_prices
from deploy.cost.ways import Load, Way, default_wish, original_ways, target_ways
from deploy.errors import Refused
from deploy.targets import TARGETS
from deploy.wish import Wish, check


@takes(common=Common)
def command(
    common: Common,
    images_per_day: Annotated[float, option(text="The load.", min=1)] = Load.images_a_day,
    max_latency_ms: Annotated[float | None, option(text="The slowest image that is fast enough.", min=0)] = None,
    peak: Annotated[float, option(text="The busiest second's images against the mean second's.", min=1)] = Load.peak,
    fill: Annotated[float, option(text="How much of a machine's throughput to use.", min=0.05, max=1)] = Load.fill,
    throughput: Annotated[
        list[str] | None,
        option(text="TARGET=IMAGES_A_SECOND[,MILLISECONDS] of one machine, or bulk=…; may be repeated."),
    ] = None,
    bench: Annotated[
        list[Path] | None, option(text="A bench result, such as `smoke --json` writes; may be repeated.")
    ] = None,
    instance_type: Annotated[
        list[str] | None, option(text="TARGET=TYPE: another instance than the target's default; may be repeated.")
    ] = None,
    memory_mb: Annotated[int, option(text="Serverless memory.")] = Wish.memory_mb,
    savings_percent: Annotated[float, option(text="What a Savings Plan takes off the machines.", min=0, max=64)] = 0.0,
    tasks: Annotated[int, option(text="Fargate tasks of the gateway, a vCPU and 2 GB each.", min=1)] = Gateway.tasks,
    tasks_on_arm: Annotated[bool, option("--tasks-on-arm", text="Price the gateway's tasks on ARM64.")] = False,
    nats: Annotated[
        int, option(text="NAT gateways between the tasks and AWS; 0 with VPC endpoints.", min=0)
    ] = Gateway.nats,
    live: Annotated[bool, option("--live", text="Ask AWS's price list instead of the dated table.")] = False,
    plot_to: Annotated[Path | None, option("--plot", text="Also draw it, to an SVG, PNG or PDF file.")] = None,
) -> None:
    """Compare what every way costs, and say which is cheapest at this load and latency."""
    with answering(common.as_json) as screen:
        measured = read_bench(SHIPPED)
        for path in bench or ():
            measured |= read_bench(path)
        measured |= dict(map(parse_throughput, throughput or ()))
        load = Load(images_per_day, peak, fill, max_latency_ms)
        machines = dict(map(machine_choice, instance_type or ()))
        prices = prices_now(screen, common, set(machines.values())) if live else read_prices()
        ways = priced(prices, measured, machines, memory_mb, savings_percent / 100)
        show_cost(screen, prices, ways, load)
        show_bulk(screen, ways, load)
        show_gateway(screen, prices, Gateway(tasks=tasks, arm=tasks_on_arm, nats=nats))
        if plot_to is not None:
            plot(plot_to, ways, load, f"Prices of {prices.region}, {prices.as_of}")
            screen.say(f"Drawn to {plot_to}.")


def machine_choice(text: str) -> tuple[str, str]:
    """`cpu=ml.c6i.xlarge`. Raises Refused."""
    target, _, machine = text.partition("=")
    if target not in TARGETS or not machine:
        raise Refused(f"--instance-type takes TARGET=TYPE, not {text!r}.")
    return target, machine


def prices_now(screen: Screen, common: Common, machines: set[str]) -> Prices:
    """AWS's own prices."""
    aws = account(common, screen)
    wanted = machines | {target.instance_type for target in TARGETS.values() if target.instance_type}
    return live_prices(aws, wanted, datetime.now(UTC).date().isoformat())


def priced(
    prices: Prices, measured: dict[str, Measured], machines: dict[str, str], memory_mb: int, saved: float
) -> list[Way]:
    """Every target, bulk, and the original post's ways for comparison."""
    wishes = [
        check(replace(default_wish(target), instance_type=machines.get(target.name), memory_mb=memory_mb))
        for target in TARGETS.values()
    ]
    bulk = bulk_way(prices, measured, saved)
    return [*target_ways(prices, measured, wishes, saved), bulk, *original_ways(prices)]


def show_cost(screen: Screen, prices: Prices, ways: list[Way], load: Load) -> None:
    """The table, its date and its answer."""
    found = answer(ways, load)
    screen.answer.update(found | {"prices": {"as_of": prices.as_of, "region": prices.region, "note": prices.note}})
    latency = "" if load.max_latency_ms is None else f", {load.max_latency_ms:g} ms at most"
    screen.table(f"{load.images_a_day:,.0f} images a day{latency}", COLUMNS, rows(ways, load))
    for note in notes(ways):
        screen.say(note)
    screen.say(f"Prices of {prices.region} as of {prices.as_of}. {prices.note}")
    if age := prices.age_note(datetime.now(UTC).date()):
        screen.say(age)
    if found["cheapest"]:
        screen.say(f"Cheapest: {found['cheapest']}.")
    else:
        screen.say("No target fits.")
    if any(way.measured and way.measured.origin for way in ways):
        screen.say("For your model and instances: `detect-deploy smoke --json > smoke.json`, then --bench smoke.json.")


def show_bulk(screen: Screen, ways: list[Way], load: Load) -> None:
    """What bulk costs, and from which load on an endpoint costs less."""
    bulk = next(way for way in ways if way.bulk)
    screen.answer["endpoint_from_images_per_day"] = endpoint_from(ways, bulk, load)
    screen.say(bulk_line(ways, bulk, load))


def show_gateway(screen: Screen, prices: Prices, gateway: Gateway) -> None:
    """What the gateway in front costs a month, which may be more than the endpoint."""
    cost = gateway_cost(prices, gateway)
    screen.answer["gateway"] = cost
    screen.say(
        f"Beside the endpoint, the gateway on Fargate: ${cost['total']:.0f} a month, of which ${cost['tasks']:.0f} for "
        f"{gateway.tasks} tasks, ${cost['load_balancer']:.0f} for the load balancer, ${cost['nat']:.0f} for NAT."
    )
