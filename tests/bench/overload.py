"""Three times what the gateway can do, for a minute: who is let in is served in time, all others hear 429 at once.

    .venv-dev/bin/python -m tests.bench.overload [--seconds 60] [--times 3] [--workers 1]

Exit code 1 where a promise of docs/security.md is broken.
"""

import argparse
import asyncio
import sys
from functools import partial

from tests.bench.report import Outcome, counted, judge, write
from tests.bench.serving import served
from tests.bench.traffic import Asked, Traffic, closed, offered, percentile, post, statuses
from tests.pictures import HOPPER

MOST_STRETCH = 3.0
MOST_REJECTION_MS = 100.0


async def overload(url: str, seconds: float, times: float) -> Outcome:
    """Measure, print, and say whether the promises hold."""
    traffic = Traffic(url)
    ask = partial(traffic.ask, post(HOPPER.read_bytes()))
    await closed(ask, 1, 2)  # warm
    before = show("unloaded", await closed(ask, 1, max(5.0, seconds / 6)))
    capacity = sum(one.status == 200 for one in await closed(ask, 4, 5)) / 5
    write(f"capacity            {capacity:.0f} requests a second")
    answers = await offered(ask, times * capacity, seconds)
    accepted = show(f"accepted at {times:g}×", [one for one in answers if one.status == 200])
    rejected = show(f"rejected at {times:g}×", [one for one in answers if one.status == 429])
    write(f"statuses            {statuses(answers)}, {len(answers) / seconds:.0f} a second offered")
    await asyncio.sleep(2)
    after = show("unloaded again", await closed(ask, 1, max(5.0, seconds / 6)))
    traffic.close()
    summary = (
        f"offered {len(answers) / seconds:.0f} a second: {counted(statuses(answers))}; accepted p99 {accepted:.0f} ms "
        f"(unloaded {before:.0f} ms before, {after:.0f} ms after); rejected p99 {rejected:.0f} ms"
    )
    held = judge(
        {
            f"accepted p99 is {accepted / before:.2f} times the unloaded, at most {MOST_STRETCH:g}": accepted
            <= MOST_STRETCH * before,
            f"rejected p99 is {rejected:.0f} ms, under {MOST_REJECTION_MS:g}": rejected < MOST_REJECTION_MS,
            "nothing else than 200 and 429": set(statuses(answers)) <= {200, 429},
            f"afterwards p99 is {after / before:.2f} times that of before, under 1.5": after < 1.5 * before,
        }
    )
    return Outcome(summary, held)


def show(name: str, answers: list[Asked]) -> float:
    """Print one line of percentiles; return the p99 in milliseconds."""
    p50, p90, p99, most = (percentile(answers, share) for share in (0.5, 0.9, 0.99, 1))
    write(f"{name:20}{len(answers):6} p50 {p50:6.1f}  p90 {p90:6.1f}  p99 {p99:6.1f}  max {most:6.1f} ms")
    return p99


def run(seconds: float, times: float = 3, workers: str = "1") -> Outcome:
    """All of it, with a gateway of its own."""
    with served("--workers", workers) as gateway:
        return asyncio.run(overload(gateway.url, seconds, times))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--times", type=float, default=3)
    parser.add_argument("--workers", default="1")
    chosen = parser.parse_args()
    return 0 if run(chosen.seconds, chosen.times, chosen.workers) else 1


if __name__ == "__main__":
    sys.exit(main())
