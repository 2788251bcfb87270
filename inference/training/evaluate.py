"""Measures a detector on a prepared set and writes the figures as JSON.

scripts/train evaluate --test SET --checkpoint RUN/last.pt --out figures.json
scripts/train evaluate --test SET --url http://127.0.0.1:8000 --out figures.json

With --url it is the gateway that is measured, `/detect` with all behind it, and the time that the model took there.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from accuracy import accuracy
from dataset import LabelledImages, Pixels, read_set
from detect import Found, detections
from learner import trained_network
from training_errors import NoAnswer, run

LEAST_SCORE = 0.01  # the least that /detect takes
SIDES = ("x_min", "y_min", "x_max", "y_max")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure as the command line says."""
    options = parser().parse_args(arguments)
    test = read_set(options.test)
    found, times = by_gateway(test, options.url) if options.url else by_network(test, options.checkpoint, options.size)
    figures = {"images": len(test.names)} | accuracy(found, test.boxes, test.classes) | times
    text = json.dumps({name: round(value, 4) for name, value in figures.items()}, indent=2)
    print(text)  # noqa: T201  # the command's answer
    if options.out:
        options.out.write_text(text + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("--test", type=Path, required=True, help="the set to measure with")
    detector = described.add_mutually_exclusive_group(required=True)
    detector.add_argument("--checkpoint", type=Path)
    detector.add_argument("--url", help="where a gateway answers")
    described.add_argument("--size", type=int, help="side of the images, with --checkpoint; default: the network's")
    described.add_argument("--out", type=Path, help="file to write")
    return described


def by_network(test: LabelledImages, checkpoint: Path, size: int | None) -> tuple[list[Found], dict[str, float]]:
    """Return what a checkpoint's averaged network finds in each image."""
    net, _ = trained_network(checkpoint)
    return detections(net, test.images, size or net.size, "cpu"), {}


def by_gateway(test: LabelledImages, url: str) -> tuple[list[Found], dict[str, float]]:
    """Return what a gateway finds in each image, and the median of the times that its model took."""
    answers = [ask(url, image) for image in tqdm(test.images, unit="image", disable=None)]
    times = [answer["timing_ms"]["inference"] for answer in answers]
    return [found_in(answer) for answer in answers], {"inference_ms": statistics.median(times)}


def ask(url: str, image: Pixels) -> dict[str, Any]:
    """Post one image to `/detect`. Raises NoAnswer."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    request = urllib.request.Request(
        f"{url.rstrip('/')}/detect?min_score={LEAST_SCORE}", file.getvalue(), {"Content-Type": "image/png"}
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except (urllib.error.URLError, ValueError) as exc:
        raise NoAnswer(f"{url} did not answer with detections.") from exc


def found_in(answer: dict[str, Any]) -> Found:
    """Detections of a gateway's answer → rows (k, 6)."""
    rows = [
        [*(each["box_normalized"][side] for side in SIDES), each["score"], each["class_id"]]
        for each in answer["detections"]
    ]
    return np.array(rows, np.float32).reshape(-1, 6)


if __name__ == "__main__":
    run(main)
