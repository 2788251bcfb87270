"""What bulk costs beside the ways that stand all month: a transform job a day, paid while it works."""

from collections.abc import Iterable, Mapping

from deploy.cost.measured import BULK, Measured
from deploy.cost.prices import Prices
from deploy.cost.ways import Load, Way, cheapest, monthly

MACHINE = "ml.c6i.large"
START_SECONDS = 300.0  # until the first image of a job, paid like the others
FROM, TO, STEPS = 2, 8, 600  # a hundred to a hundred million images a day


def bulk_way(prices: Prices, measured: Mapping[str, Measured], saved: float = 0.0) -> Way:
    """`detect-deploy batch` on the default machine; as fast as it was measured, else as the target `cpu` was."""
    known = MACHINE in prices.table
    return Way(
        BULK,
        f"{MACHINE}, a job a day",
        prices.of(MACHINE).usd * (1 - saved) if known else None,
        measured.get(BULK, measured.get("cpu")),
        note="paid while it works; answers come when the job is done, so it is no answer where one waits",
        requests=prices.of("s3-get").usd,
        start_seconds=START_SECONDS,
    )


def endpoint_from(ways: Iterable[Way], bulk: Way, load: Load) -> float | None:
    """From how many images a day an endpoint that stands costs less than bulk; None where none ever does."""
    if bulk.per_image is None:
        return None
    standing = [way for way in ways if way.hourly is not None and way is not bulk]
    for step in range(STEPS + 1):
        a_day = 10 ** (FROM + (TO - FROM) * step / STEPS)
        at = Load(a_day, load.peak, load.fill, load.max_latency_ms)
        best = cheapest(standing, at)
        if best is not None and (monthly(best, at) or 0.0) < (monthly(bulk, at) or 0.0):
            return a_day
    return None


def bulk_line(ways: Iterable[Way], bulk: Way, load: Load) -> str:
    """The comparison in a sentence."""
    if bulk.per_image is None:
        return "Bulk: its price or its throughput is not known; --throughput bulk=IMAGES_A_SECOND takes the latter."
    found = endpoint_from(ways, bulk, load)
    begins = f"Bulk, `detect-deploy batch`: ${bulk.per_image * 1e6:.2f} for a million images. "
    if found is None:
        return begins + "No endpoint that stands costs less at any load: one is worth it where answers are waited for."
    return begins + f"From {found:,.0f} images a day on, an endpoint that stands costs less."
