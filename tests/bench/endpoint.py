"""How the endpoint serves over HTTP: `python -m tests.bench.endpoint` prints the other tables of docs/engine.md.

Wants scripts/test, and scripts/conformance for stack A, to have made their environments, and a machine that does
nothing else.
"""

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import numpy as np
import psutil

from tests.bench.engine import table
from tests.bench.models import SIZE, model_dirs
from tests.conformance.stack import Stack, serve, unpack, wait_for_an_answer
from tests.inference.running import Running, drawn_picture, encoded, request_of, start_server

JSON = {"content-type": "application/json"}
SECONDS = 12
REQUESTS, SAMPLES = 5000, 50


def main() -> None:
    """Print all tables."""
    models = model_dirs()
    with tempfile.TemporaryDirectory() as folder:
        sys.stdout.write("## The original's request, over HTTP\n\n" + original_request(models, Path(folder)))
        sys.stdout.write("\n## One client on one core, four on two\n\n" + throughput(models, Path(folder)))
        sys.stdout.write("\n## Memory of one process\n\n" + memory(models, Path(folder)))


def posted(width: int, height: int, short: int) -> str:
    """A request as a camera's picture makes one."""
    return request_of(encoded(drawn_picture(1, width, height), "JPEG", quality=90), short)


def original_request(models: dict[str, Path], folder: Path) -> str:
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
        places = {"stack A, MXNet 1.9.1": stack, "ours, float32": fp32, "ours, int8": int8}
        taken: dict[str, list[float]] = {name: [] for name in places}
        for _ in range(7):
            for name, running in places.items():
                time.sleep(0.3)
                taken[name] += milliseconds(running, request, 15)
    medians = {name: statistics.median(times[10:]) for name, times in taken.items()}
    slowest = medians["stack A, MXNet 1.9.1"]
    rows = [[name, f"{ms:.1f}", f"{slowest / ms:.2f}"] for name, ms in medians.items()]
    return table(["served by", "ms", "times as fast as stack A"], rows)


def milliseconds(running: Running, request: str, times: int) -> list[float]:
    """How long each of some requests takes, one after the other on one connection."""
    taken = []
    with httpx2.Client(base_url=running.url, headers=JSON, timeout=60) as client:
        for _ in range(times):
            start = time.perf_counter()
            client.post("/invocations", content=request).raise_for_status()
            taken.append((time.perf_counter() - start) * 1000)
    return taken


def throughput(models: dict[str, Path], folder: Path) -> str:
    """Requests a second, float32 and int8, with one process and with one a core."""
    request, rows = posted(SIZE, SIZE, SIZE), []
    for number in ("fp32", "int8"):
        with cores(1), serving(folder, models[number]) as running:
            one = rate(running, request, clients=1)
        rows.append([number, "one client, one core", f"{one:.1f}", "1.00"])
        for workers in (1, 2):
            with serving(folder, models[number], "--workers", str(workers)) as running:
                four = rate(running, request, clients=4)
            how = f"four clients, two cores, --workers {workers}"
            rows.append([number, how, f"{four:.1f}", f"{four / one:.2f}"])
    return table(["network", "how", "requests a second", "times"], rows)


@contextmanager
def cores(count: int) -> Iterator[None]:
    """What is started meanwhile may run on the first cores alone, as in a container of that size."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:count])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def rate(running: Running, request: str, clients: int) -> float:
    """Requests answered a second by so many clients at once."""
    answered = [0] * clients
    end = time.monotonic() + SECONDS

    def ask(client: int) -> None:
        while time.monotonic() < end:
            answered[client] += len(milliseconds(running, request, 10))

    start = time.monotonic()
    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered) / (time.monotonic() - start)


def memory(models: dict[str, Path], folder: Path) -> str:
    """Resident memory over REQUESTS requests, and its slope by least squares over the last nine tenths of them."""
    request, rows = posted(SIZE, SIZE, SIZE), []
    for number in ("fp32", "int8"):
        with serving(folder, models[number]) as running:
            process, resident = psutil.Process(running.process.pid), []
            for _ in range(SAMPLES):
                milliseconds(running, request, REQUESTS // SAMPLES)
                resident.append(process.memory_info().rss / 1e6)
        settled = resident[SAMPLES // 10 :]
        slope = np.polyfit(range(len(settled)), settled, 1)[0] * 1000 / (REQUESTS / SAMPLES)
        rows.append([number, f"{resident[0]:.0f}", f"{max(resident):.0f}", f"{slope:+.2f}"])
    head = ["network", f"MB after {REQUESTS // SAMPLES} requests", "most MB", "MB more in 1,000 requests"]
    return table(head, rows)


@contextmanager
def serving(folder: Path, model_dir: Path, *options: str) -> Iterator[Running]:
    """Our server on a model directory, ready."""
    with start_server(folder, "--model-dir", str(model_dir), *options) as running:
        running.wait_until_ready()
        yield running


if __name__ == "__main__":
    main()
