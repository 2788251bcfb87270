"""What a batch job costs, before it starts and while it runs."""

from dataclasses import dataclass
from typing import Any

from deploy.batch.transform import Machines
from deploy.cost.bulk import START_SECONDS
from deploy.cost.measured import BULK_PER_CORE
from deploy.cost.prices import Prices
from deploy.errors import NotFound


@dataclass(frozen=True)
class Price:
    """Dollars an hour of all machines (None where the table has no price), and what the job is expected to take."""

    hourly: float | None
    rate: float
    hours: float
    requests: float
    note: str

    @property
    def total(self) -> float | None:
        """Dollars for the whole job."""
        return None if self.hourly is None else self.hourly * self.hours + self.requests

    def spent(self, seconds: float) -> float | None:
        """Dollars for so many seconds of the machines."""
        return None if self.hourly is None else self.hourly * seconds / 3600

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "per_hour": self.hourly,
            "images_per_second": self.rate,
            "hours": self.hours,
            "requests": self.requests,
            "total": self.total,
            "note": self.note,
        }

    def line(self) -> str:
        """The price in a sentence."""
        took = f"about {duration(self.hours)} at {self.rate:,.1f} images a second"
        if self.total is None:
            return f"Cost: unknown; {took}. {self.note}"
        return f"Cost: ${self.total:,.2f}, {took} ({self.note})"


@dataclass(frozen=True)
class Work:
    """How many images, the requests that one costs as the price table names them, and where."""

    images: int
    requests: tuple[str, ...]
    region: str


def price(prices: Prices, machines: Machines, work: Work, throughput: float | None) -> Price:
    """The price of a job; `throughput` is images a second of one instance."""
    rate = (throughput or BULK_PER_CORE * machines.cores) * machines.instances
    hours = (work.images / rate + START_SECONDS) / 3600
    try:
        hourly = prices.of(machines.instance_type).usd * machines.instances
        requests = work.images * sum(prices.of(what).usd for what in work.requests)
    except NotFound as error:
        return Price(None, rate, hours, 0.0, f"{error} {error.hint}")
    return Price(hourly, rate, hours, requests, prices.about(work.region))


def duration(hours: float) -> str:
    """`4.6 hours`, `12 minutes`."""
    return f"{hours:.1f} hours" if hours >= 1.5 else f"{max(1, round(hours * 60))} minutes"
