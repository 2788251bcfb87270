"""How long the images take from the start of their process to the first 200: `python -m tests.images.measure`."""

import os
import statistics
import sys
import time

from tests.images.containers import ENDPOINT, GATEWAY, LOOPBACK, TOOLS, Images, Run, free_port

STARTS = 3
# image → the variable that names its port, its health check's path, and what else it needs to start
ANY = {"DETECT_ENDPOINT_NAME": "any", "DETECT_NO_AUTH": "true", "AWS_DEFAULT_REGION": "us-east-1"}
CASES = {
    GATEWAY: ("DETECT_PORT", "/health/live", ANY),
    ENDPOINT: ("SAGEMAKER_BIND_TO_PORT", "/ping", {}),
}


def main() -> None:
    """Print one line an image."""
    images = Images(TOOLS[os.environ["DETECT_TEST_IMAGES"]])
    for image, (port, path, environment) in CASES.items():
        seconds = [_start(images, image, port, path, environment) for _ in range(STARTS)]
        sys.stdout.write(
            f"{image}: {path} answers {statistics.median(seconds):.2f} s after the start (median of {STARTS})\n"
        )


def _start(images: Images, image: str, port: str, path: str, environment: dict[str, str]) -> float:
    number = free_port()
    run = Run(image, {**environment, port: str(number)})
    images.config(image)
    started = time.perf_counter()
    with images.started(run) as container:
        container.answers(f"http://{LOOPBACK}:{number}{path}")
        return time.perf_counter() - started


if __name__ == "__main__":
    main()
