"""What a plan costs, and the answer to which way is cheapest, as rows and as JSON."""

from collections.abc import Iterable
from typing import Any

from deploy.cost.prices import Prices
from deploy.cost.ways import HOURS_A_MONTH, Load, Way, cheapest, fits, machines, monthly, target_way
from deploy.errors import NotFound
from deploy.wish import Wish

COLUMNS = ("", "way", "on", "$/hour", "$/month", "$/million", "ms", "×", "$/month here")


def plan_cost(prices: Prices, wish: Wish, region: str) -> dict[str, Any]:
    """Dollars per hour and month of a wish; None where the table has no price, or another unit."""
    try:
        way = target_way(prices, None, wish)
    except NotFound as error:
        return {"per_hour": None, "per_month": None, "note": f"{error} {error.hint}"}
    note = prices.about(region)
    if way.hourly is None:  # serverless
        per_second = way.gb_second * way.memory_gb
        ready = f"{wish.provisioned} always ready, by the hour besides; " if wish.provisioned else ""
        return {"per_hour": 0.0, "per_month": 0.0, "per_second_of_work": per_second, "note": ready + note}
    hourly = way.hourly * wish.instances
    return {"per_hour": hourly, "per_month": hourly * HOURS_A_MONTH, "note": note}


def cost_line(cost: dict[str, Any]) -> str:
    """A plan's cost in a line."""
    if cost["per_hour"] is None:
        return f"Cost: unknown. {cost['note']}"
    if "per_second_of_work" in cost:
        return f"Cost: nothing while idle, ${cost['per_second_of_work']:.6f} a second of work ({cost['note']})"
    return f"Cost: ${cost['per_hour']:.3f} an hour, ${cost['per_month']:.2f} a month ({cost['note']})"


def answer(ways: Iterable[Way], load: Load) -> dict[str, Any]:
    """The whole answer as JSON."""
    ways = list(ways)
    best = cheapest(ways, load)
    return {"cheapest": best.name if best else None, "ways": [as_dict(way, load) for way in ways]}


def as_dict(way: Way, load: Load) -> dict[str, Any]:
    """A way at a load."""
    per_image = way.per_image
    return {
        "name": way.name,
        "title": way.title,
        "offered": way.offered,
        "per_hour": way.hourly,
        "per_month": None if way.hourly is None or way.bulk else way.hourly * HOURS_A_MONTH,
        "per_million_images": None if per_image is None else per_image * 1e6,
        "latency_ms": way.measured.latency_ms if way.measured and not way.bulk else None,
        "machines": machines(way, load) or None,
        "per_month_at_load": monthly(way, load),
        "fits": fits(way, load),
        "note": way.note,
        "measured": way.measured.origin if way.measured else None,
    }


def rows(ways: Iterable[Way], load: Load) -> list[tuple[Any, ...]]:
    """The table's rows, the cheapest one marked."""
    ways = list(ways)
    best = cheapest(ways, load)
    return [row(as_dict(way, load), way is best) for way in ways]


def row(way: dict[str, Any], best: bool) -> tuple[Any, ...]:
    """One row: an arrow at the cheapest, a dot at what fits."""
    return (
        "→" if best else "·" if way["fits"] else "",
        way["name"],
        way["title"].replace("ml.", ""),
        money(way["per_hour"], 3),
        money(way["per_month"], 0),
        money(way["per_million_images"]),
        None if way["latency_ms"] is None else f"{way['latency_ms']:.0f}",
        way["machines"],
        money(way["per_month_at_load"]),
    )


def notes(ways: Iterable[Way]) -> list[str]:
    """What has to be said of each way."""
    return [f"{way.name}: {note}" for way in ways for note in (way.note, way.measured and way.measured.origin) if note]


def money(dollars: float | None, digits: int = 2) -> str | None:
    """Dollars, or None."""
    return None if dollars is None else f"{dollars:,.{digits}f}"
