"""How long the images take from the start of their process to the first 200: `python -m tests.images.measure`.

Exit code 1 where the endpoint is not ready within three seconds.
"""

import os
import statistics
import sys
import time

from tests.bench.report import judge, write
from tests.images.containers import ENDPOINT, GATEWAY, LOCAL, READY, TOOLS, Images, Run, free_port

STARTS, MOST_SECONDS = 3, 3
# Images, and what each needs to start beside a port.
CASES: dict[str, dict[str, str]] = {
    GATEWAY: {"DETECT_ENDPOINT_NAME": "any", "DETECT_NO_AUTH": "true", "AWS_DEFAULT_REGION": "us-east-1"},
    ENDPOINT: {},
    LOCAL: {},
}


def main() -> int:
    """Print one line an image, and whether the promise held."""
    images = Images(TOOLS[os.environ["DETECT_TEST_IMAGES"]])
    medians = {}
    for image, environment in CASES.items():
        medians[image] = statistics.median(_start(images, image, environment) for _ in range(STARTS))
        write(f"{image}: {READY[image][1]} answers {medians[image]:.2f} s after the start (median of {STARTS})")
    ready = medians[ENDPOINT]
    return 0 if judge({f"the endpoint is ready after {ready:.2f} s, under {MOST_SECONDS}": ready < MOST_SECONDS}) else 1


def _start(images: Images, image: str, environment: dict[str, str]) -> float:
    run = Run(image, {**environment, READY[image][0]: str(free_port())})
    images.config(image)
    started = time.perf_counter()
    with images.answering(run):
        return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
