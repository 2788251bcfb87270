"""How near the command line comes to a load generator: `python -m tests.bench.command_line`.

500 pictures through `detect-gateway detect`, its start included, and the same pictures through bare connections that do
nothing but send and wait, as many at a time; in turn, against one running gateway.
"""

import http.client
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from tests.api.test_command_line import COMMAND
from tests.api.test_local_mode import Served
from tests.pictures import jpeg

PICTURES, DIFFERENT, ROUNDS = 500, 25, 1


def command_line(url: str, folder: Path, parallel: int) -> float:
    """Pictures a second."""
    started = time.perf_counter()
    command = [COMMAND, "detect", str(folder), "--url", url, "--json", "--parallel", str(parallel)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    assert ended.stdout.count(b'"detections"') == PICTURES
    return PICTURES / (time.perf_counter() - started)


def generator(url: str, folder: Path, parallel: int) -> float:
    """Pictures a second."""
    bodies = [path.read_bytes() for path in sorted(folder.iterdir())]
    started = time.perf_counter()
    with ThreadPoolExecutor(parallel) as threads:
        sent = sum(threads.map(lambda first: _send(url, bodies[first::parallel]), range(parallel)))
    assert sent == PICTURES
    return PICTURES / (time.perf_counter() - started)


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


def main() -> None:
    """Print the rates and their ratio."""
    served = Served()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(PICTURES):
            (folder / f"{number:04}.jpg").write_bytes(jpeg(seed=number % DIFFERENT))
        generator(served.url, folder, 4)
        for parallel in (4, 8):
            pairs = [[ask(served.url, folder, parallel) for ask in (generator, command_line)] for _ in range(ROUNDS)]
            bare, ours = (statistics.median(rates) for rates in zip(*pairs, strict=True))
            line = f"{parallel} at a time: generator {bare:.1f}/s, command line {ours:.1f}/s, ratio {ours / bare:.2f}\n"
            sys.stdout.write(line)
    served.end()


if __name__ == "__main__":
    main()
