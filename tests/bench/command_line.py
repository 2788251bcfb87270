"""How near the command line comes to a load generator: `python -m tests.bench.command_line`.

500 images through `detect-gateway detect`, and the same images through bare connections that do nothing but send and
wait, as many at a time; in turn, against one running gateway. Beside them the command's start, by a single image.
Exit code 1 where the command line reaches less than 0.9 of the generator's rate with its start, or 0.95 without.
"""

import argparse
import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tests.api.processes import COMMAND, Served
from tests.bench.report import judge, write
from tests.example_images import jpeg

DIFFERENT = 25
WITH_START, WITHOUT_START = 0.9, 0.95


def command_line(url: str, folder: Path, parallel: int) -> float:
    """Seconds for a folder."""
    started = time.perf_counter()
    command = [COMMAND, "detect", str(folder), "--url", url, "--json", "--parallel", str(parallel)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    spent = time.perf_counter() - started
    assert ended.stdout.count(b'"detections"') == len(list(folder.iterdir()))
    return spent


def generator(url: str, folder: Path, parallel: int) -> float:
    """Seconds for a folder."""
    bodies = [path.read_bytes() for path in sorted(folder.iterdir())]
    started = time.perf_counter()
    with ThreadPoolExecutor(parallel) as threads:
        sent = sum(threads.map(lambda first: _send(url, bodies[first::parallel]), range(parallel)))
    assert sent == len(bodies)
    return time.perf_counter() - started


def _send(url: str, bodies: list[bytes]) -> int:
    address = urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    for body in bodies:
        while True:
            connection.request("POST", "/detect", body, {"Content-Type": "image/jpeg"})
            answer = connection.getresponse()
            answer.read()
            if answer.status == 200:
                break
            time.sleep(float(answer.headers["Retry-After"]))
    connection.close()
    return len(bodies)


def measure(url: str, folder: Path, single: Path, parallel: int, rounds: int) -> bool:
    """Print the rates with as many images at a time, medians of the rounds; whether both promises hold."""
    taken: dict[str, list[float]] = {"generator": [], "command line": [], "start": []}
    for _ in range(rounds):
        taken["generator"].append(generator(url, folder, parallel))
        taken["command line"].append(command_line(url, folder, parallel))
        taken["start"].append(command_line(url, single, parallel))
    bare, ours, start = map(statistics.median, taken.values())
    images = len(list(folder.iterdir()))
    write(
        f"{parallel} at a time: generator {images / bare:.1f}/s, command line {images / ours:.1f}/s with its start of "
        f"{start:.2f} s, {images / (ours - start):.1f}/s without"
    )
    ratios = {WITH_START: bare / ours, WITHOUT_START: bare / (ours - start)}
    return judge(
        {f"{found:.2f} of the generator's rate, at least {least}": found >= least for least, found in ratios.items()}
    )


def fill(folder: Path, images: int) -> Path:
    """A folder with so many images."""
    folder.mkdir()
    for number in range(images):
        (folder / f"{number:05}.jpg").write_bytes(jpeg(seed=number % DIFFERENT))
    return folder


def main() -> int:
    """Print the rates and their ratios."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--images", type=int, default=500)
    described.add_argument("--rounds", type=int, default=1)
    options = described.parse_args()
    served = Served()
    with tempfile.TemporaryDirectory() as name:
        folder, single = fill(Path(name) / "all", options.images), fill(Path(name) / "one", 1)
        generator(served.url, folder, 4)
        held = [measure(served.url, folder, single, parallel, options.rounds) for parallel in (4, 8)]
    served.end()
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
