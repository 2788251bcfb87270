"""COCO's photographs for the benchmark of tiles: as they are, and many in one large image, which makes people small."""

import io
import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.example_images import encoded

CELL = (640, 480)  # pixels of a photograph in a mosaic
TIMES = 2  # that each photograph is used, so that few of them make more than a mosaic or two


@dataclass(frozen=True)
class Images:
    """Encoded images by their ids, and their annotations as COCO writes them."""

    dataset: dict[str, Any]
    files: dict[int, bytes]

    def size(self, image_id: int) -> tuple[int, int]:
        """Width and height in pixels."""
        (image,) = [one for one in self.dataset["images"] if one["id"] == image_id]
        return image["width"], image["height"]


def photographs(file: Path) -> Images:
    """Those of a file of annotations, with `images/` beside it, on which no detector was trained: COCO's val2017."""
    dataset = json.loads(file.read_text())
    images = [image for image in dataset["images"] if image.get("coco_split", "val2017") == "val2017"]
    files = {image["id"]: (file.parent / "images" / image["file_name"]).read_bytes() for image in images}
    boxes = [box for box in dataset["annotations"] if box["image_id"] in files]
    return Images({**dataset, "images": images, "annotations": boxes}, files)


def mosaics(single: Images, side: int) -> Images:
    """`side` × `side` photographs in each image, every one stretched to a cell; its annotations with it."""
    width, height, cells = CELL[0] * side, CELL[1] * side, _shuffled(single)
    images: list[dict[str, Any]] = []
    boxes: list[dict[str, Any]] = []
    files = {}
    for number in range(len(cells) // side**2):
        drawn = Image.new("RGB", (width, height))
        for cell, image in enumerate(cells[number * side**2 : (number + 1) * side**2]):
            at = (CELL[0] * (cell % side), CELL[1] * (cell // side))
            drawn.paste(_photograph(single.files[image["id"]]), at)
            boxes += [
                {**_moved(box, image, at), "image_id": number, "id": len(boxes) + one}
                for one, box in enumerate(_boxes_of(single, image["id"]), 1)
            ]
        images.append({"id": number, "width": width, "height": height})
        files[number] = encoded(drawn, quality=95)
    return Images({**single.dataset, "images": images, "annotations": boxes}, files)


def _shuffled(single: Images) -> list[dict[str, Any]]:
    """Every photograph as often as any other, in an order that is always the same."""
    chance = random.Random(7)
    images = single.dataset["images"]
    return [image for _ in range(TIMES) for image in chance.sample(images, len(images))]


def _photograph(file: bytes) -> Image.Image:
    return Image.open(io.BytesIO(file)).convert("RGB").resize(CELL, Image.Resampling.BICUBIC)


def _boxes_of(single: Images, image_id: int) -> list[dict[str, Any]]:
    return [box for box in single.dataset["annotations"] if box["image_id"] == image_id]


def _moved(box: dict[str, Any], image: dict[str, Any], at: tuple[int, int]) -> dict[str, Any]:
    across, down = CELL[0] / image["width"], CELL[1] / image["height"]
    x, y, width, height = box["bbox"]
    placed = [at[0] + x * across, at[1] + y * down, width * across, height * down]
    return {**box, "bbox": placed, "area": box["area"] * across * down}
