"""Images a second of the container by JSON lines, as a batch job sends them, against one a request.

    .venv-dev/bin/python -m tests.bench.bulk [--model-dir DIR] [--images 2000] [--rounds 5] [--cores 2]

The same canvases in turn: one a request by one client, one a request by a client for each core, and requests of 1 MB of
lines by as many. Exit code 1 where lines are slower than single requests by as many clients, or an answer is missing.
Wants a machine that does nothing else.
"""

import argparse
import base64
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from deploy.artifact import BUNDLED_MODEL, input_size
from deploy.batch.transform import LINES_MB
from deploy.cost.prices import read_prices
from tests.bench.endpoint import kept_on, serving
from tests.bench.report import judge, write
from tests.bench.tables import machine, table
from tests.deploy.transforms import MIB, batches
from tests.example_images import encoded, scene
from tests.inference.server_process import ServerProcess

DIFFERENT, PROMISED = 25, 0.97
SINGLE, LINES = "application/json", "application/jsonlines"


def lines(size: int, images: int) -> list[bytes]:
    """The lines of a shard."""
    canvases = [encoded(scene(size, size, seed), quality=95, subsampling=0) for seed in range(DIFFERENT)]
    made = [json.dumps({"image": base64.b64encode(one).decode(), "short": size}).encode() for one in canvases]
    return [made[number % DIFFERENT] for number in range(images)]


def requests(asked: list[bytes], kind: str) -> Iterator[bytes]:
    """The bodies: each line its own, or as many together as Batch Transform puts into one."""
    return iter(asked) if kind == SINGLE else batches(b"\n".join(asked), "MultiRecord", LINES_MB * MIB)


def rate(running: ServerProcess, asked: list[bytes], kind: str, clients: int) -> float:
    """Images a second. Raises AssertionError where any has no answer."""
    bodies = list(requests(asked, kind))
    with httpx2.Client(base_url=running.url, headers={"content-type": kind}, timeout=600) as client:

        def ask(body: bytes) -> int:
            answer = client.post("/invocations", content=body).raise_for_status()
            return sum(b'"score"' in line for line in answer.content.split(b"\n"))

        started = time.perf_counter()
        with ThreadPoolExecutor(clients) as threads:
            answered = sum(threads.map(ask, bodies))
    assert answered == len(asked)
    return answered / (time.perf_counter() - started)


def measured(model_dir: Path, images: int, rounds: int, count: int) -> dict[str, float]:
    """The medians of each way's rates, the ways in turn."""
    asked = lines(input_size(model_dir), images)
    ways = {
        "one a request, one client": (SINGLE, 1),
        f"one a request, {count} clients": (SINGLE, count),
        f"JSON lines, {count} at a time": (LINES, count),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    with tempfile.TemporaryDirectory() as folder, kept_on(count), serving(Path(folder), model_dir) as running:
        rate(running, asked[:DIFFERENT], SINGLE, count)
        for _ in range(rounds):
            for name, (kind, clients) in ways.items():
                rates[name].append(rate(running, asked, kind, clients))
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", type=int, default=2, help="as many as the machine of a batch job has")
    chosen = parser.parse_args()
    rates = measured(chosen.model_dir, chosen.images, chosen.rounds, chosen.cores)
    hourly = read_prices().of("ml.c6i.large").usd
    rows = [[name, f"{found:.1f}", f"{hourly / 3600 / found * 1e6:.2f}"] for name, found in rates.items()]
    write(table(["how", "images a second", "$ a million on ml.c6i.large"], rows))
    write(f"Measured on {machine()}.")
    _, single, lined = rates.values()
    words = f"JSON lines give {lined / single:.2f} times what single requests do, at least {PROMISED}"
    return 0 if judge({words: lined / single >= PROMISED}) else 1


if __name__ == "__main__":
    sys.exit(main())
