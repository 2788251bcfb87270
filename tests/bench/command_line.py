"""How near the command line comes to a load generator: `python -m tests.bench.command_line`.

500 images through `detect-gateway detect`, its start included, and the same images through bare connections that do
nothing but send and wait, as many at a time; in turn, against one running gateway.
Exit code 1 where the command line reaches less than 0.9 of the generator's rate.
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
from tests.pictures import jpeg

DIFFERENT, PROMISED = 25, 0.9


def command_line(url: str, folder: Path, parallel: int) -> float:
    """Images a second."""
    started = time.perf_counter()
    command = [COMMAND, "detect", str(folder), "--url", url, "--json", "--parallel", str(parallel)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    spent, images = time.perf_counter() - started, len(list(folder.iterdir()))
    assert ended.stdout.count(b'"detections"') == images
    return images / spent


def generator(url: str, folder: Path, parallel: int) -> float:
    """Images a second."""
    bodies = [path.read_bytes() for path in sorted(folder.iterdir())]
    started = time.perf_counter()
    with ThreadPoolExecutor(parallel) as threads:
        sent = sum(threads.map(lambda first: _send(url, bodies[first::parallel]), range(parallel)))
    return sent / (time.perf_counter() - started)


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


def measure(url: str, folder: Path, parallel: int, rounds: int) -> float:
    """Print the rates with as many images at a time, medians of the rounds; their ratio."""
    bare, ours = list[float](), list[float]()
    for _ in range(rounds):
        bare.append(generator(url, folder, parallel))
        ours.append(command_line(url, folder, parallel))
    rates = statistics.median(bare), statistics.median(ours)
    ratio = rates[1] / rates[0]
    sys.stdout.write(
        f"{parallel} at a time: generator {rates[0]:.1f}/s, command line {rates[1]:.1f}/s, ratio {ratio:.2f}\n"
    )
    return ratio


def main() -> int:
    """Print the rates and their ratio."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--images", type=int, default=500)
    described.add_argument("--rounds", type=int, default=1)
    options = described.parse_args()
    served = Served()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.images):
            (folder / f"{number:04}.jpg").write_bytes(jpeg(seed=number % DIFFERENT))
        generator(served.url, folder, 4)
        ratios = [measure(served.url, folder, parallel, options.rounds) for parallel in (4, 8)]
    served.end()
    return 0 if min(ratios) >= PROMISED else 1


if __name__ == "__main__":
    sys.exit(main())
