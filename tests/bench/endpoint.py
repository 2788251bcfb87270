"""How the endpoint serves over HTTP: prints tables of docs/engine.md and says whether each promise held.

    .venv-dev/bin/python -m tests.bench.endpoint [--only TABLE…] [--write docs/engine.md]

Wants scripts/test, and scripts/conformance for stack A, to have made their environments, and a machine that does
nothing else.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import psutil

from tests.bench.models import SIZE, model_dirs
from tests.bench.tables import Measure, Promises, arguments, show, table
from tests.conformance.stack import Stack, serve, unpack, wait_for_an_answer
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.inference.server_process import ServerProcess, start_server

JSON = {"content-type": "application/json"}
TABLES = ("original", "throughput", "memory", "start")
SAMPLES = 50  # of resident memory
MOST_MEGABYTES, MOST_GROWTH = 350, 0.5  # of a process; MB in 1,000 requests, which is what the measurement can tell


def main() -> int:
    """The command line."""
    chosen = arguments(__doc__, TABLES).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measures = measures_of(chosen, Path(folder))
        return 0 if show({name: measures[name] for name in chosen.only}, chosen.write) else 1


def measures_of(chosen: Namespace, folder: Path) -> dict[str, Measure]:
    """What there is to measure."""
    models, quick = model_dirs(), chosen.quick
    return {
        "original": lambda: original(models, folder, rounds=2 if quick else 7),
        "throughput": lambda: throughput(models, folder, seconds=4 if quick else 12),
        "memory": lambda: memory(models, folder, requests=500 if quick else 5000),
        "start": lambda: start(models, folder, times=2 if quick else 7),
    }


def posted(width: int, height: int, short: int) -> str:
    """A request as a camera's image makes one."""
    return request_of(encoded(drawn_image(1, width, height), "JPEG", quality=90), short)


def original(models: dict[str, Path], folder: Path, rounds: int) -> tuple[str, Promises]:
    """770x433 at `short` 224, one client: AWS's newest MXNet image's stack against ours, in turn."""
    request = posted(770, 433, 224)
    stacks = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "detect-gateway"
    unpack(models["mxnet"], folder / "stack")
    with (
        serve(Stack("a", stacks / "stack-a"), folder / "stack") as stack,
        serving(folder, models["fp32"]) as fp32,
        serving(folder, models["int8"]) as int8,
    ):
        wait_for_an_answer(stack, request)
        places = {"stack A, MXNet 1.9.1": stack, "ours, fp32": fp32, "ours, int8": int8}
        taken: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(rounds):
            for name, running in places.items():
                time.sleep(0.3)
                taken[name] += milliseconds(running, request, 15)
    medians = {name: statistics.median(times[10:]) for name, times in taken.items()}
    times = {name: medians["stack A, MXNet 1.9.1"] / ms for name, ms in medians.items()}
    rows = [[name, f"{ms:.1f}", f"{times[name]:.2f}"] for name, ms in medians.items()]
    best = max(times.values())
    words = f"the original's request is answered {best:.2f} times as fast as by stack A, at least 3"
    promises = {words: best >= 3}
    return table(["served by", "ms", "times as fast as stack A"], rows), promises


def milliseconds(running: ServerProcess, request: str, times: int) -> list[float]:
    """How long each of some requests takes, one after the other on one connection."""
    taken = []
    with httpx2.Client(base_url=running.url, headers=JSON, timeout=60) as client:
        for _ in range(times):
            start = time.perf_counter()
            client.post("/invocations", content=request).raise_for_status()
            taken.append((time.perf_counter() - start) * 1000)
    return taken


def throughput(models: dict[str, Path], folder: Path, seconds: float) -> tuple[str, Promises]:
    """Requests a second, one client on one core against four on two, with one process and with one a core."""
    request, rows, promises = posted(SIZE, SIZE, SIZE), [], {}
    for number in ("fp32", "int8"):
        with kept_on(1), serving(folder, models[number]) as running:
            one = rate(running, request, clients=1, seconds=seconds)
        rows.append([number, "one client, one core", f"{one:.1f}", "1.00"])
        best = 0.0
        for workers in (1, 2):
            with kept_on(2), serving(folder, models[number], "--workers", str(workers)) as running:
                four = rate(running, request, clients=4, seconds=seconds)
            best = max(best, four / one)
            rows.append([number, f"four clients, two cores, --workers {workers}", f"{four:.1f}", f"{four / one:.2f}"])
        promises[f"{number} serves four clients on two cores {best:.2f} times as many requests, at least 1.6"] = (
            best >= 1.6
        )
    return table(["network", "how", "requests a second", "times"], rows), promises


@contextmanager
def kept_on(count: int) -> Iterator[None]:
    """This process and what it starts meanwhile run on the first cores alone, as in a container of that size."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def rate(running: ServerProcess, request: str, clients: int, seconds: float) -> float:
    """Requests answered a second to so many clients at once."""
    milliseconds(running, request, 20)
    answered = [0] * clients
    end = time.monotonic() + seconds

    def ask(client: int) -> None:
        while time.monotonic() < end:
            answered[client] += len(milliseconds(running, request, 5))

    start = time.monotonic()
    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered) / (time.monotonic() - start)


def memory(models: dict[str, Path], folder: Path, requests: int) -> tuple[str, Promises]:
    """Resident memory, and its slope by least squares over the second half: before that, memory settles."""
    request, rows, promises = posted(SIZE, SIZE, SIZE), [], {}
    for number in ("fp32", "int8"):
        with serving(folder, models[number]) as running:
            process, resident = psutil.Process(running.process.pid), []
            for _ in range(SAMPLES):
                milliseconds(running, request, requests // SAMPLES)
                resident.append(process.memory_info().rss / 1e6)
        settled, most = resident[SAMPLES // 2 :], max(resident)
        slope = np.polyfit(range(len(settled)), settled, 1)[0] * 1000 / (requests / SAMPLES)
        rows.append([number, f"{resident[0]:.0f}", f"{most:.0f}", f"{slope:+.2f}"])
        promises[f"{number} holds at most {most:.0f} MB, under {MOST_MEGABYTES}"] = most < MOST_MEGABYTES
        promises[f"{number} grows by {slope:+.2f} MB in 1,000 requests, under {MOST_GROWTH}"] = slope < MOST_GROWTH
    head = ["network", f"MB after {requests // SAMPLES} requests", f"most MB in {requests:,}"]
    return table([*head, "MB more in 1,000 requests"], rows), promises


def start(models: dict[str, Path], folder: Path, times: int) -> tuple[str, Promises]:
    """Seconds from the start of the process to the first 200 of /ping."""
    rows, promises = [], {}
    for number in ("fp32", "int8"):
        taken = []
        for _ in range(times):
            started = time.perf_counter()
            with serving(folder, models[number]):
                taken.append(time.perf_counter() - started)
        median = statistics.median(taken)
        rows.append([number, f"{median:.2f}", f"{max(taken):.2f}"])
        promises[f"{number} is ready {median:.2f} s after the start of the process, under 3"] = median < 3
    return table(["network", "median, s", "slowest, s"], rows), promises


@contextmanager
def serving(folder: Path, model_dir: Path, *options: str) -> Iterator[ServerProcess]:
    """Our server on a model directory, ready."""
    with start_server(folder, "--model-dir", str(model_dir), *options) as running:
        running.wait_until_ready()
        yield running


if __name__ == "__main__":
    sys.exit(main())
