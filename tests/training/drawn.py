"""A set that the tests draw themselves: figures with a head and a body, before noise, and blocks that are none."""

import json
import tarfile
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw, ImageFilter

Box = tuple[float, float, float, float]
SIDE = 200


def drawing(seed: int) -> tuple[Image.Image, list[Box]]:
    """One image and where its figures are: x_min, y_min, x_max, y_max in pixels."""
    chance = Random(seed)
    noise = Image.frombytes("RGB", (12, 12), chance.randbytes(12 * 12 * 3)).point(lambda value: value // 2 + 60)
    image = noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(image)
    for _ in range(2):
        x, y = chance.randrange(SIDE), chance.randrange(SIDE)
        pen.rectangle((x, y, x + 40, y + 12), fill=(90, 90, 200))
    figures = [figure(pen, chance, slot) for slot in chance.sample(range(3), chance.randint(1, 3))]
    return image.filter(ImageFilter.GaussianBlur(0.7)), figures


def figure(pen: ImageDraw.ImageDraw, chance: Random, slot: int) -> Box:
    """A red body under a pale head, in one of three columns."""
    height = chance.randrange(100, 170)
    width = height // 3
    x, y = slot * 66 + chance.randrange(0, 66 - width), chance.randrange(4, SIDE - height - 4)
    pen.rectangle((x, y + width, x + width, y + height), fill=(210, chance.randrange(20, 60), 30))
    pen.ellipse((x + width * 0.1, y, x + width * 0.9, y + width), fill=(245, 210, 180))
    return (x, y, x + width, y + height)


def coco(folder: Path, seeds: range) -> Path:
    """The images of these seeds with COCO's annotations; its path."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for seed in seeds:
        image, boxes = drawing(seed)
        image.save(folder / "images" / f"{seed}.png")
        images.append({"id": seed, "file_name": f"{seed}.png", "width": SIDE, "height": SIDE})
        for x_min, y_min, x_max, y_max in boxes:
            bbox = [x_min, y_min, x_max - x_min, y_max - y_min]
            annotations.append({"image_id": seed, "category_id": 7, "bbox": bbox, "iscrowd": 0})
    categories = [{"id": 3, "name": "block"}, {"id": 7, "name": "figure"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "instances.json").write_text(json.dumps(content))
    return folder / "instances.json"


def shards(folder: Path, seeds: range) -> Path:
    """The same as one tar file and rows of shares; the path of the labels."""
    folder.mkdir(parents=True)
    labels = {}
    with tarfile.open(folder / "images-0.tar", "w") as tar:
        for seed in seeds:
            image, boxes = drawing(seed)
            image.save(folder / f"{seed}.png")
            tar.add(folder / f"{seed}.png", f"{seed}.png")
            labels[f"{seed}.png"] = [[*(value / SIDE for value in box), 1] for box in boxes]
    (folder / "labels.json").write_text(json.dumps(labels))
    return folder / "labels.json"
