"""Which way is cheapest at N images a day with this latency."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deploy.cost.measured import Measured
from deploy.cost.prices import SERVERLESS, Prices
from deploy.errors import NotFound
from deploy.targets import Target
from deploy.wish import Wish

HOURS_A_MONTH = 730.0
DAYS_A_MONTH = HOURS_A_MONTH / 24
SECONDS_A_DAY = 86_400.0
SERVERLESS_AT_ONCE = 200
COLD = "costs nothing while idle; the first image after a pause waits for a cold start"


@dataclass(frozen=True)
class Way:
    """A way to run the detector, priced. `hourly` is one machine's; serverless has dollars a GB-second instead.

    `gigabyte` is what SageMaker asks for each one that goes in or out, `requests` what S3 asks for an image. A way with
    `start_seconds` is bulk: its machine is paid while it works, and so many seconds before.
    """

    name: str
    title: str
    hourly: float | None
    measured: Measured | None
    offered: bool = True
    gb_second: float = 0.0
    memory_gb: float = 0.0
    note: str = ""
    gigabyte: float = 0.0
    requests: float = 0.0
    start_seconds: float = 0.0

    @property
    def per_image(self) -> float | None:
        """Dollars for one image at full load: the machine's time and the data."""
        if self.measured is None:
            return None
        if self.serverless:
            return self.gb_second * self.memory_gb * self.measured.latency_ms / 1000 + self.data
        if self.hourly is None:
            return None
        return self.hourly / 3600 / self.measured.images_per_second + self.data + self.requests

    @property
    def data(self) -> float:
        """Dollars for one image's way in and its answer's way out."""
        return self.gigabyte * self.measured.bytes_per_image / 1e9 if self.measured else 0.0

    @property
    def serverless(self) -> bool:
        """Whether it is billed by the second of work and not by the hour."""
        return self.memory_gb > 0

    @property
    def bulk(self) -> bool:
        """Whether it works in jobs, whose answers nobody waits for."""
        return self.start_seconds > 0


@dataclass(frozen=True)
class Load:
    """What is asked: images a day, the busiest second against the mean, how full a machine may be, the latency."""

    images_a_day: float = 10_000
    peak: float = 3.0
    fill: float = 0.7
    max_latency_ms: float | None = None

    @property
    def peak_rate(self) -> float:
        """Images in the busiest second."""
        return self.images_a_day / SECONDS_A_DAY * self.peak


def machines(way: Way, load: Load) -> int:
    """Machines that the busiest second needs; of serverless, requests at once. 0 for bulk and the unmeasured."""
    if way.measured is None or way.bulk:
        return 0
    if way.serverless:
        return max(1, math.ceil(load.peak_rate * way.measured.latency_ms / 1000))
    return max(1, math.ceil(load.peak_rate / (way.measured.images_per_second * load.fill)))


def monthly(way: Way, load: Load) -> float | None:
    """Dollars a month for a load; None where nothing was measured. Machines stand all month for the busiest second."""
    if way.per_image is None:
        return None
    if way.bulk and way.hourly is not None:  # a job a day
        return DAYS_A_MONTH * (load.images_a_day * way.per_image + way.start_seconds / 3600 * way.hourly)
    if way.hourly is not None:
        return machines(way, load) * way.hourly * HOURS_A_MONTH + load.images_a_day * DAYS_A_MONTH * way.data
    return load.images_a_day * DAYS_A_MONTH * way.per_image


def fits(way: Way, load: Load) -> bool:
    """Whether a way can be had, is fast enough, and can take the load. Bulk is no answer to one image."""
    if not way.offered or way.bulk or way.measured is None or way.per_image is None:
        return False
    if way.serverless and machines(way, load) > SERVERLESS_AT_ONCE:
        return False
    return load.max_latency_ms is None or way.measured.latency_ms <= load.max_latency_ms


def cheapest(ways: Iterable[Way], load: Load) -> Way | None:
    """The cheapest way that fits, or None."""
    return min((way for way in ways if fits(way, load)), key=lambda way: monthly(way, load) or 0.0, default=None)


def target_ways(
    prices: Prices, measured: Mapping[str, Measured], wishes: Iterable[Wish], saved: float = 0.0
) -> list[Way]:
    """Every wish, priced; without a price where the table has none."""
    return [known_way(prices, measured.get(wish.target.name), wish, saved) for wish in wishes]


def known_way(prices: Prices, measured: Measured | None, wish: Wish, saved: float) -> Way:
    """A wish, priced or not."""
    try:
        return target_way(prices, measured, wish, saved)
    except NotFound as error:
        return Way(wish.target.name, " + ".join(parts_of(wish)), None, measured, note=str(error))


def target_way(prices: Prices, measured: Measured | None, wish: Wish, saved: float = 0.0) -> Way:
    """A wish, priced; `saved` is a Savings Plan's share off the machines. Raises NotFound without a price."""
    data = prices.of("data").usd
    if wish.machine is None:
        memory = wish.memory_mb / 1024
        rate = prices.of(SERVERLESS).usd
        return Way(
            wish.target.name,
            f"{memory:g} GB",
            None,
            measured,
            gb_second=rate,
            memory_gb=memory,
            note=COLD,
            gigabyte=data,
        )
    parts = parts_of(wish)
    hourly = sum(prices.of(part).usd for part in parts) * (1 - saved)
    note = machine_note(prices, wish)
    offered = wish.attached is None
    return Way(wish.target.name, " + ".join(parts), hourly, measured, offered, note=note, gigabyte=data)


def parts_of(wish: Wish) -> list[str]:
    """What is paid for by the hour."""
    return [part for part in (wish.machine, wish.attached) if part]


def machine_note(prices: Prices, wish: Wish) -> str:
    """What has to be said of a machine."""
    if wish.attached:
        return "AWS no longer offers Elastic Inference"
    return "the price is approximate" if wish.machine and prices.of(wish.machine).approximate else ""


def original_ways(prices: Prices) -> list[Way]:
    """The ways of the original post, for comparison: none of them is offered as an answer."""
    ways = []
    for row in prices.measured_before:
        parts = [row["machine"], *([row["accelerator"]] if "accelerator" in row else [])]
        if not all(part in prices.table for part in parts):
            continue
        hourly = sum(prices.of(part).usd for part in parts)
        latency = row.get("latency_ms")
        measured = Measured(1000 / latency, latency) if latency else None
        ways.append(Way(row["name"], " + ".join(parts), hourly, measured, offered=False, note=row["note"]))
    return ways


def default_wish(target: Target) -> Wish:
    """A target as it is by default."""
    return Wish("cost", target, legacy_elastic_inference=True)
