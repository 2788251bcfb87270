"""Thousands of damaged images, and the odd ones that lie beside the checkout: each answered in time, none with 5xx.

    .venv-dev/bin/python -m tests.bench.damage [--count 10000] [--seed 5]

The same seed gives the same images. Exit code 1 where a promise of docs/security.md is broken.
"""

import argparse
import asyncio
import sys
from collections.abc import Iterator

from tests.bench.report import Outcome, counted, judge, write
from tests.bench.serving import Served, served
from tests.bench.traffic import Asked, Traffic, percentile, post, statuses
from tests.conftest import SHARED
from tests.mutations import mutations

MOST_MS = 2000.0
MOST_GROWTH_MEGABYTES = 30.0
AT_ONCE = 2


def uploads(count: int, seed: int) -> Iterator[bytes]:
    """All files but empty ones, which are no image at all."""
    files = (path.read_bytes() for path in sorted((SHARED / "pictures" / "odd").rglob("*")) if path.is_file())
    yield from filter(None, files)
    yield from filter(None, mutations(count, seed))


async def flood(gateway: Served, data: Iterator[bytes]) -> Outcome:
    """Measure, print, and say whether the promises hold."""
    traffic, answers, memory = Traffic(gateway.url), list[Asked](), list[float]()

    async def client() -> None:
        for upload in data:
            answers.append(await traffic.ask(post(upload)))
            if len(answers) % 500 == 0:
                memory.append(gateway.resident()["gateway"])

    await asyncio.gather(*(client() for _ in range(AT_ONCE)))
    traffic.close()
    slowest, seen, growth = percentile(answers, 1), statuses(answers), memory[-1] - memory[len(memory) // 4]
    write(f"{len(answers)} images: {seen}; p50 {percentile(answers, 0.5):.0f} ms, slowest {slowest:.0f} ms")
    write("gateway's memory every 500: " + " ".join(f"{one:.0f}" for one in memory) + " MB")
    summary = (
        f"{counted(seen)}; the slowest {slowest / 1000:.2f} s; the gateway from {memory[0]:.0f} to {memory[-1]:.0f} MB"
    )
    held = judge(
        {
            "every one is 200, 415 or 422, and 400 what looks like JSON": set(seen) <= {200, 400, 415, 422},
            f"the slowest took {slowest:.0f} ms, under {MOST_MS:g}": slowest < MOST_MS,
            f"memory grew by {growth:.0f} MB after the first quarter": growth < MOST_GROWTH_MEGABYTES,
            "gateway and endpoint are alive": gateway.alive() and gateway.resident()["endpoint"] > 0,
        }
    )
    return Outcome(summary, held)


def run(count: int, seed: int = 5, formats: str = "jpeg,png,webp,gif,bmp,tiff") -> Outcome:
    """All of it, with a gateway of its own."""
    with served(DETECT_FORMATS=formats, PYTHONWARNINGS="ignore") as gateway:
        return asyncio.run(flood(gateway, uploads(count, seed)))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--formats", default="jpeg,png,webp,gif,bmp,tiff")
    chosen = parser.parse_args()
    return 0 if run(chosen.count, chosen.seed, chosen.formats) else 1


if __name__ == "__main__":
    sys.exit(main())
