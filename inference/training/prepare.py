"""Makes a set to train on or to measure with, from COCO's format or from shards.

scripts/train prepare coco --labels instances.json --images DIR --classes person --out SET
scripts/train prepare shards --labels labels.json --images 'images-*.tar' --classes person --out SET

COCO's format is a JSON with images, annotations and categories beside a folder of images; crowds are looked away
from. Shards are tar files of images with one JSON: per image's name, rows of x_min, y_min, x_max, y_max in shares
of the image, weight and, with several classes, the class's number.
"""

from __future__ import annotations

import argparse
import glob
import json
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from dataset import Boxes, Example, as_boxes, write_set
from training_errors import NotASet, run


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set that the command line asks for."""
    options = parser().parse_args(arguments)
    try:
        labels = json.loads(options.labels.read_text())
        count, examples = READERS[options.form](labels, options.images, options.classes)
        shown = tqdm(examples, total=count, unit="image", disable=None)
        write_set(options.out, options.classes, shown, count, options.side)
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise NotASet(f"{options.labels} is not what it should be, or does not fit {options.images}.") from exc
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = described.add_argument
    add("form", choices=READERS)
    add("--labels", type=Path, required=True, help="the JSON file")
    add("--images", required=True, help="folder of images, or a pattern of tar files")
    add("--classes", nargs="+", required=True, help="names, in the order of their class numbers")
    add("--out", type=Path, required=True, help="folder to write")
    add("--side", type=int, default=320, help="images are kept as SIDE×SIDE pixels; a little over the network's size")
    return described


def from_coco(labels: Any, folder: str, classes: list[str]) -> tuple[int, Iterator[Example]]:
    """Read images with COCO's annotations; those of other categories are background."""
    numbers = {each["id"]: classes.index(each["name"]) for each in labels["categories"] if each["name"] in classes}
    missing = set(classes) - {each["name"] for each in labels["categories"]}
    if missing:
        raise NotASet(f"The annotations have no category {', '.join(sorted(missing))}.")
    marked = defaultdict(list)
    for each in labels["annotations"]:
        if each["category_id"] in numbers:
            marked[each["image_id"]].append(each)

    def examples() -> Iterator[Example]:
        for each in labels["images"]:
            image = upright(Path(folder) / each["file_name"], each["file_name"])
            boxes = coco_boxes(marked[each["id"]], numbers, each["width"], each["height"])
            yield Example(each["file_name"], image, boxes)

    return len(labels["images"]), examples()


def coco_boxes(annotations: list[Any], numbers: dict[int, int], width: int, height: int) -> Boxes:
    """Boxes x, y, width, height in pixels → ours."""
    rows = []
    for each in annotations:
        x, y, w, h = each["bbox"]
        corners = np.clip([x / width, y / height, (x + w) / width, (y + h) / height], 0, 1)
        rows.append([*corners, -1 if each.get("iscrowd") else 1, numbers[each["category_id"]]])
    return as_boxes(rows)


def from_shards(labels: Any, pattern: str, classes: list[str]) -> tuple[int, Iterator[Example]]:
    """Read images out of tar files; a row without a class is of the first."""

    def examples() -> Iterator[Example]:
        for shard in sorted(glob.glob(pattern)):
            with tarfile.open(shard) as tar:
                for member in tar:
                    file = tar.extractfile(member)
                    if file and member.name in labels:
                        rows = [[*row, 0][:6] for row in labels[member.name]]
                        yield Example(member.name, upright(file, member.name), as_boxes(rows))

    return len(labels), examples()


def upright(file: Path | IO[bytes], name: str) -> Image.Image:
    """Open an image as people see it, which is how it was labelled. Raises NotASet."""
    try:
        with Image.open(file) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except OSError as exc:
        raise NotASet(f"{name} cannot be read as an image.") from exc


READERS = {"coco": from_coco, "shards": from_shards}

if __name__ == "__main__":
    run(main)
