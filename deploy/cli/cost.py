"""detect-deploy: status, smoke, logs, cost. Nothing here changes anything."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deploy import bill, logs
from deploy.cost import Load, Way, default_wish, original_ways, target_ways
from deploy.current import read_current
from deploy.endpoint import existing
from deploy.errors import Refused
from deploy.measured import Measured, parse_throughput, read_bench
from deploy.options import Asked, Common, option, takes
from deploy.plot import plot
from deploy.prepare import account
from deploy.prices import Prices, live_prices, read_prices
from deploy.screen import Screen, answering
from deploy.smoke import smoke as test
from deploy.status import status as look_at
from deploy.targets import TARGETS
from deploy.wish import check

NOT_IN_SERVICE = 1


def look(app: typer.Typer) -> None:
    """Puts the commands on the command line."""
    for command in (status, smoke, logs_, cost):
        app.command(name=command.__name__.rstrip("_"))(command)


@takes(common=Common)
def status(common: Common) -> None:
    """Show state, variant, instances and the last hour's invocations, errors and latency. 1 unless it is in service."""
    with answering(common.as_json) as screen:
        found = look_at(account(common, screen.report), common.endpoint_name)
        screen.answer.update(found)
        screen.table(f"Endpoint {common.endpoint_name}", ("", ""), list(flat(found)))
    if found["status"] != "InService":
        raise typer.Exit(NOT_IN_SERVICE)


def flat(found: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested values as rows."""
    rows: list[tuple[str, Any]] = []
    for key, value in found.items():
        rows += (
            flat(value, f"{prefix}{key} ") if isinstance(value, dict) else [(f"{prefix}{key}".replace("_", " "), value)]
        )
    return rows


@takes(common=Common, asked=Asked)
def smoke(common: Common, asked: Asked) -> None:
    """Post a real picture and check the answer's shape, boxes and latency."""
    with answering(common.as_json) as screen:
        aws = account(common, screen.report)
        wish = read_current(aws, existing(aws, common.endpoint_name)).wish
        result = test(aws, common.endpoint_name, wish.target, asked.question(wish.input_size))
        screen.answer["smoke"] = result.as_dict()
        screen.table("Smoke test", ("", ""), flat(result.as_dict()))


@takes(common=Common)
def logs_(
    common: Common,
    lines: Annotated[int, option(text="How many of the last lines.", min=1)] = 50,
    minutes: Annotated[int, option(text="How far to look back.", min=1)] = 60,
    follow: Annotated[bool, option("--follow", "-f", text="Go on with every new line until stopped.")] = False,
) -> None:
    """Show what the container says."""
    with answering(common.as_json) as screen:
        if follow and common.as_json:
            raise Refused("--follow never ends, and a JSON document does.")
        aws = account(common, screen.report)
        screen.answer["lines"] = found = logs.tail(aws, common.endpoint_name, lines, minutes)
        for line in found:
            screen.say(line)
        for line in logs.follow(aws, common.endpoint_name, logs.minutes_ago(0)) if follow else ():
            screen.say(line)


@takes(common=Common)
def cost(
    common: Common,
    pictures_per_day: Annotated[float, option(text="The load.", min=1)] = 10_000,
    max_latency_ms: Annotated[float | None, option(text="The slowest picture that is fast enough.", min=0)] = None,
    peak: Annotated[float, option(text="The busiest second's pictures against the mean second's.", min=1)] = 3.0,
    fill: Annotated[float, option(text="How much of a machine's throughput to use.", min=0.05, max=1)] = 0.7,
    throughput: Annotated[
        list[str] | None, option(text="TARGET=PICTURES_A_SECOND[,MILLISECONDS] of one machine; may be repeated.")
    ] = None,
    bench: Annotated[
        list[Path] | None, option(text="A bench result, such as `smoke --json` writes; may be repeated.")
    ] = None,
    instance_type: Annotated[
        list[str] | None, option(text="TARGET=TYPE: another instance than the target's default; may be repeated.")
    ] = None,
    memory_mb: Annotated[int, option(text="Serverless memory.")] = 2048,
    live: Annotated[bool, option("--live", text="Ask AWS's price list instead of the dated table.")] = False,
    plot_to: Annotated[Path | None, option("--plot", text="Also draw it, to an SVG, PNG or PDF file.")] = None,
) -> None:
    """Compare what every way costs, and say which is cheapest at this load and latency."""
    with answering(common.as_json) as screen:
        measured = dict(map(parse_throughput, throughput or ()))
        for path in bench or ():
            measured |= read_bench(path)
        load = Load(pictures_per_day, peak, fill, max_latency_ms)
        machines = dict(map(machine_choice, instance_type or ()))
        prices = prices_now(screen, common, set(machines.values())) if live else read_prices()
        ways = priced(prices, measured, machines, memory_mb)
        show_cost(screen, prices, ways, load)
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
    aws = account(common, screen.report)
    wanted = machines | {target.instance_type for target in TARGETS.values() if target.instance_type}
    return live_prices(aws, wanted, datetime.now(UTC).date().isoformat())


def priced(prices: Prices, measured: dict[str, Measured], machines: dict[str, str], memory_mb: int) -> list[Way]:
    """Every target, and the original post's ways for comparison."""
    wishes = [
        check(replace(default_wish(target), instance_type=machines.get(target.name), memory_mb=memory_mb))
        for target in TARGETS.values()
    ]
    return [*target_ways(prices, measured, wishes), *original_ways(prices)]


def show_cost(screen: Screen, prices: Prices, ways: list[Way], load: Load) -> None:
    """The table, its date and its answer."""
    answer = bill.answer(ways, load)
    screen.answer.update(answer | {"prices": {"as_of": prices.as_of, "region": prices.region, "note": prices.note}})
    latency = "" if load.max_latency_ms is None else f", {load.max_latency_ms:g} ms at most"
    screen.table(f"{load.pictures_a_day:,.0f} pictures a day{latency}", bill.COLUMNS, bill.rows(ways, load))
    for note in bill.notes(ways):
        screen.say(note)
    screen.say(f"Prices of {prices.region} as of {prices.as_of}. {prices.note}")
    if answer["cheapest"]:
        screen.say(f"Cheapest: {answer['cheapest']}.")
    else:
        screen.say("No way is known to fit: measure one with `detect-deploy smoke --json`, and give it with --bench.")
