"""Draws a sheet of a detector's best and worst images: what was to be found in green, what it found in orange.

scripts/train sheet --test SET --checkpoint RUN/last.pt --min-score 0.4 --out sheet.jpg

The upper half shows the images with the most right boxes and fewest wrong ones, the lower half the other end.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from dataset import Boxes, LabelledImages, Pixels, read_set
from detect import Found, detections
from learner import trained_network
from training_errors import run

WANTED, FOUND = (60, 200, 90), (255, 150, 0)
ACROSS, DOWN, TILE = 6, 2, 240  # at most DOWN rows of the best, as many of the worst
RIGHT = 0.5  # IoU


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the sheet that the command line asks for."""
    options = parser().parse_args(arguments)
    test = read_set(options.test)
    net, _ = trained_network(options.checkpoint)
    every = detections(net, test.images, net.size, "cpu")
    found = [rows[rows[:, 4] >= options.min_score] for rows in every]
    sheet(test, found).save(options.out)
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = described.add_argument
    add("--test", type=Path, required=True)
    add("--checkpoint", type=Path, required=True)
    add("--min-score", type=float, default=0.5)
    add("--out", type=Path, required=True, help="image to write")
    return described


def sheet(test: LabelledImages, found: list[Found]) -> Image.Image:
    """Return the best and the worst images of a set, with their boxes."""
    order = sorted(range(len(found)), key=lambda number: -success(found[number], test.boxes[number]))
    half = min(ACROSS * DOWN, len(order) // 2)
    down = -(-half // ACROSS)
    out = Image.new("RGB", (ACROSS * TILE, 2 * down * TILE), "white")
    for place, number in enumerate(order[:half]):
        paste(out, place, drawn(test.images[number], test.boxes[number], found[number]))
    for place, number in enumerate(reversed(order[len(order) - half :])):
        paste(out, place + ACROSS * down, drawn(test.images[number], test.boxes[number], found[number]))
    return out


def paste(out: Image.Image, place: int, tile: Image.Image) -> None:
    """Put an image into the sheet, row by row."""
    out.paste(tile, (place % ACROSS * TILE, place // ACROSS * TILE))


def success(found: Found, labels: Boxes) -> int:
    """Right boxes less missed and wrong ones."""
    wanted = labels[labels[:, 4] > 0]
    hits = sum(any(iou(row, label) >= RIGHT for row in found) for label in wanted)
    wrong = sum(all(iou(row, label) < RIGHT for label in labels) for row in found)
    return hits - (len(wanted) - hits) - wrong


def iou(one: Boxes, other: Boxes) -> float:
    """Return the overlap of two boxes, their common area in shares of what they cover together."""
    low, high = np.maximum(one[:2], other[:2]), np.minimum(one[2:4], other[2:4])
    common = float(np.prod((high - low).clip(0)))
    return common / (float(np.prod(one[2:4] - one[:2]) + np.prod(other[2:4] - other[:2])) - common + 1e-9)


def drawn(pixels: Pixels, labels: Boxes, found: Found) -> Image.Image:
    """Return an image with its labels and its detections."""
    image = Image.fromarray(pixels).resize((TILE, TILE))
    pen = ImageDraw.Draw(image)
    for colour, rows in ((WANTED, labels[labels[:, 4] > 0]), (FOUND, found)):
        for row in rows:
            pen.rectangle([float(value) for value in row[:4] * (TILE - 1)], outline=colour, width=2)
    return image


if __name__ == "__main__":
    run(main)
