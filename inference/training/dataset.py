"""A set of labelled images, ready to be trained on: a folder with `images.npy` and `labels.json`.

The images are stretched to one square and kept as they are looked at, uint8 (n, S, S, 3), in a file that is mapped
into memory. `labels.json` has the `classes`, and the `names` and `boxes` of the images in the same order; a box is
x_min, y_min, x_max, y_max in shares of the image, a weight (over 0 how far it is trusted, −1 look away) and a class.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training_errors import NotASet

Pixels = NDArray[np.uint8]
Boxes = NDArray[np.float32]
COLUMNS = 6


class Example(NamedTuple):
    """One image, RGB, of any size, and its boxes (m, 6)."""

    name: str
    image: Image.Image
    boxes: Boxes


class LabelledImages(NamedTuple):
    """A set in memory; `images` is uint8 (n, S, S, 3), RGB, mapped from its file."""

    classes: list[str]
    names: list[str]
    images: Pixels
    boxes: list[Boxes]


def read_set(folder: Path) -> LabelledImages:
    """Open a prepared set. Raises NotASet."""
    try:
        said = json.loads((folder / "labels.json").read_text())
        boxes = [as_boxes(rows) for rows in said["boxes"]]
        images = np.load(folder / "images.npy", mmap_mode="r")
        data = LabelledImages(said["classes"], said["names"], images, boxes)
    except (OSError, ValueError, KeyError) as exc:
        raise NotASet(f"{folder} is no set that prepare.py has written.") from exc
    if not len(data.images) == len(data.names) == len(data.boxes):
        raise NotASet(f"{folder} has {len(data.images)} images and labels of {len(data.boxes)}.")
    return data


def write_set(folder: Path, classes: list[str], examples: Iterable[Example], count: int, side: int) -> None:
    """Write so many examples as a set of side×side images; a cut-off run leaves no set behind."""
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "images.npy.unfinished"
    images = np.lib.format.open_memmap(unfinished, "w+", np.uint8, (count, side, side, 3))
    names, boxes = [], []
    for number, example in zip(range(count), examples, strict=True):
        images[number] = stretched(example.image, side)
        names.append(example.name)
        boxes.append(np.round(example.boxes.astype(float), 5).tolist())
    images.flush()
    (folder / "labels.json").write_text(json.dumps({"classes": classes, "names": names, "boxes": boxes}))
    unfinished.rename(folder / "images.npy")


def stretched(image: Image.Image, side: int) -> Pixels:
    """Return an image as side×side pixels."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


def as_boxes(rows: list[list[float]]) -> Boxes:
    """Rows of numbers → boxes (m, 6), m may be 0."""
    return np.array(rows, np.float32).reshape(-1, COLUMNS)
