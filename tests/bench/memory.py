"""64 clients posting images of 40 megapixels without a pause: what the gateway holds in memory at most.

    .venv-dev/bin/python -m tests.bench.memory [--seconds 30] [--clients 64]

Exit code 1 where that is a gigabyte or more, or where somebody is answered with other than 200 or 429.
"""

import argparse
import asyncio
import sys
from itertools import cycle

from tests.bench.report import Outcome, counted, judge, write
from tests.bench.serving import Served, served
from tests.bench.traffic import Asked, Traffic, closed, post, statuses
from tests.example_images import encoded, scene

MOST_MEGABYTES = 1000


def images() -> list[bytes]:
    """Requests with 40 megapixels in every make, some to be drawn on."""
    image = scene(8000, 5000)
    files = [
        encoded(image, "JPEG", quality=90),
        encoded(image, "JPEG", quality=90, progressive=True),
        encoded(image.convert("CMYK"), "JPEG", quality=80, progressive=True),
        encoded(image, "PNG", compress_level=1),
        encoded(image.convert("RGBA"), "PNG", compress_level=1),
        encoded(image, "WEBP", method=0),
    ]
    return [post(file, Accept=accept) for file in files for accept in ("application/json", "image/png")]


async def watched(gateway: Served, asked: list[bytes], clients: int, seconds: float) -> tuple[float, dict[int, int]]:
    """The most megabytes that the gateway holds while so many clients ask, and how many got which status."""
    traffic, requests, peak = Traffic(gateway.url), cycle(asked), 0.0

    async def ask() -> Asked:
        return await traffic.ask(next(requests))

    crowd = asyncio.ensure_future(closed(ask, clients, seconds))
    while not crowd.done():
        peak = max(peak, gateway.resident()["gateway"])
        await asyncio.sleep(0.05)
    seen = statuses(await crowd)
    traffic.close()
    return peak, seen


async def crowd(gateway: Served, asked: list[bytes], clients: int, seconds: float) -> Outcome:
    """Measure, print, and say whether the promise holds."""
    at_rest = gateway.resident()["gateway"]
    peak, seen = await watched(gateway, asked, clients, seconds)
    write(f"at rest {at_rest:.0f} MB, at most {peak:.0f} MB; statuses {seen}")
    held = judge(
        {
            f"at most {peak:.0f} MB, under {MOST_MEGABYTES}": peak < MOST_MEGABYTES,
            "some are answered, the others 429, nothing else": set(seen) == {200, 429},
        }
    )
    return Outcome(f"{at_rest:.0f} MB at rest, {peak:.0f} MB at most; {counted(seen)}", held)


def run(seconds: float, clients: int = 64) -> Outcome:
    """All of it, with a gateway of its own."""
    with served() as gateway:
        return asyncio.run(crowd(gateway, images(), clients, seconds))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--clients", type=int, default=64)
    chosen = parser.parse_args()
    return 0 if run(chosen.seconds, chosen.clients) else 1


if __name__ == "__main__":
    sys.exit(main())
