"""How long the images take from the start of their process to the first 200: `python -m tests.images.measure`.

Exit code 1 where the endpoint is not ready within three seconds.
"""

import os
import statistics
import sys
import time

from tests.bench.report import judge, write
from tests.images.containers import ENDPOINT, GATEWAY, LOCAL, LOOPBACK, TOOLS, Images, Run, free_port

STARTS, MOST_SECONDS = 3, 3
# image → the variable that names its port, its health check's path, and what else it needs to start
ANY = {"DETECT_ENDPOINT_NAME": "any", "DETECT_NO_AUTH": "true", "AWS_DEFAULT_REGION": "us-east-1"}
CASES = {
    GATEWAY: ("DETECT_PORT", "/health/live", ANY),
    ENDPOINT: ("SAGEMAKER_BIND_TO_PORT", "/ping", {}),
    LOCAL: ("DETECT_PORT", "/health/ready", {}),
}


def main() -> int:
    """Print one line an image, and whether the promise held."""
    images = Images(TOOLS[os.environ["DETECT_TEST_IMAGES"]])
    medians = {}
    for image, (port, path, environment) in CASES.items():
        seconds = [_start(images, image, port, path, environment) for _ in range(STARTS)]
        medians[image] = statistics.median(seconds)
        write(f"{image}: {path} answers {medians[image]:.2f} s after the start (median of {STARTS})")
    ready = medians[ENDPOINT]
    return 0 if judge({f"the endpoint is ready after {ready:.2f} s, under {MOST_SECONDS}": ready < MOST_SECONDS}) else 1


def _start(images: Images, image: str, port: str, path: str, environment: dict[str, str]) -> float:
    number = free_port()
    run = Run(image, {**environment, port: str(number)})
    images.config(image)
    started = time.perf_counter()
    with images.started(run) as container:
        container.answers(f"http://{LOOPBACK}:{number}{path}")
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
