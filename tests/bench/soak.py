"""Good and bad requests mixed, for a long while: does memory grow with the number of requests?

    .venv-dev/bin/python -m tests.bench.soak [--minutes 20]

Exit code 1 where it grows by a megabyte or more in 10,000 requests, once the first fifth is over.
"""

import argparse
import asyncio
import random
import statistics
import sys

from tests.bench.report import Outcome, judge, write
from tests.bench.serving import Served, served
from tests.bench.traffic import Asked, Traffic, closed, post, statuses
from tests.example_images import HOPPER
from tests.mutations import good_images, mutations

CLIENTS = 4
MOST_SLOPE = 1.0  # megabytes in 10,000 requests
EVERY = 5.0  # seconds between two looks at the memory


def requests() -> list[bytes]:
    """What is asked at random: good images for the most part, some drawn; damaged ones; what is no upload at all."""
    good = [HOPPER.read_bytes(), *good_images()]
    asked = [post(image) for image in good] * 12
    asked += [post(image, Accept="image/png") for image in good] * 2
    asked += [post(image) for image in mutations(100, seed=9)]
    asked += [post(good[0], "/detect?min_score=7"), post(b""), post(good[0], "/nowhere")] * 5
    asked += [
        b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ] * 5
    return asked


async def soak(gateway: Served, minutes: float) -> Outcome:
    """Measure, print, and say whether the promise holds."""
    traffic, asked, chance = Traffic(gateway.url), requests(), random.Random(1)
    answers: list[Asked] = []
    looks: list[tuple[int, float, float]] = []

    async def ask() -> Asked:
        answers.append(await traffic.ask(chance.choice(asked)))
        return answers[-1]

    load = asyncio.ensure_future(closed(ask, CLIENTS, 60 * minutes))
    while not load.done():
        resident = gateway.resident()
        looks.append((len(answers), resident["gateway"], resident["endpoint"]))
        await asyncio.wait({load}, timeout=EVERY)
    traffic.close()
    write(f"{len(answers)} requests: {statuses(answers)}")
    counts, gateways, endpoints = zip(*looks[len(looks) // 5 :], strict=True)
    slopes = {name: slope(counts, held) for name, held in (("gateway", gateways), ("endpoint", endpoints))}
    write(f"gateway {gateways[0]:.1f} to {gateways[-1]:.1f} MB, endpoint {endpoints[0]:.1f} to {endpoints[-1]:.1f} MB")
    expected = {200, 400, 404, 415, 422, 429}
    held = {f"{name}: {by:+.2f} MB in 10,000 requests, under 1": by < MOST_SLOPE for name, by in slopes.items()}
    summary = (
        f"{len(answers):,} requests; the gateway from {gateways[0]:.1f} to {gateways[-1]:.1f} MB, "
        f"{slopes['gateway']:+.2f} MB in 10,000 requests; the endpoint {slopes['endpoint']:+.2f}"
    )
    held["no other answer than those expected"] = set(statuses(answers)) <= expected
    return Outcome(summary, judge(held))


def slope(counts: tuple[int, ...], held: tuple[float, ...]) -> float:
    """Megabytes in 10,000 requests, by least squares."""
    return 10_000 * statistics.linear_regression(counts, held).slope


def run(minutes: float) -> Outcome:
    """All of it, with a gateway of its own."""
    with served(PYTHONWARNINGS="ignore") as gateway:
        return asyncio.run(soak(gateway, minutes))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20)
    chosen = parser.parse_args()
    return 0 if run(chosen.minutes) else 1


if __name__ == "__main__":
    sys.exit(main())
