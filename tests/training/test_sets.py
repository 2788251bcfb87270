"""Sets out of COCO's format and out of shards, and what is changed in their images: the boxes go along."""

import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import prepare
from augment import cut, mosaic, moved, random_window
from batches import MOST, padded
from dataset import read_set
from prepare import coco_boxes
from tests.training import drawn
from training_errors import NotASet


def test_both_formats_give_the_same_set(tmp_path: Path) -> None:
    coco, shards = drawn.coco(tmp_path / "coco", range(4)), drawn.shards(tmp_path / "shards", range(4))
    common = ["--classes", "figure", "--side", "64"]
    images = ["--images", str(coco.parent / "images")]
    prepare.main(["coco", "--labels", str(coco), *images, "--out", str(tmp_path / "one"), *common])
    images = ["--images", str(shards.parent / "images-*.tar")]
    prepare.main(["shards", "--labels", str(shards), *images, "--out", str(tmp_path / "other"), *common])
    one, other = read_set(tmp_path / "one"), read_set(tmp_path / "other")
    assert (one.classes, one.names) == (other.classes, other.names)
    np.testing.assert_array_equal(one.images, other.images)
    for ours, theirs, seed in zip(one.boxes, other.boxes, range(4), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)
        np.testing.assert_allclose(ours[:, :4] * drawn.SIDE, drawn.drawing(seed)[1], atol=0.01)


def test_cocos_crowds_are_looked_away_from_and_other_categories_are_background() -> None:
    one = {"bbox": [10, 20, 30, 40], "category_id": 7, "iscrowd": 0}
    boxes = coco_boxes([one, {**one, "iscrowd": 1}], {7: 2}, 100, 200)
    np.testing.assert_allclose(boxes, [[0.1, 0.1, 0.4, 0.3, 1, 2], [0.1, 0.1, 0.4, 0.3, -1, 2]], rtol=1e-6)


@pytest.mark.parametrize("broken", ["no set", "an image too few"])
def test_what_is_no_set_is_one_line(tmp_path: Path, broken: str, sets: tuple[Path, Path]) -> None:
    if broken == "an image too few":
        said = json.loads((sets[1] / "labels.json").read_text())
        said["names"].append("another")
        (tmp_path / "labels.json").write_text(json.dumps(said))
        np.save(tmp_path / "images.npy", np.zeros((30, 4, 4, 3), np.uint8))
    with pytest.raises(NotASet, match=str(tmp_path)):
        read_set(tmp_path)


@pytest.mark.parametrize(
    ("spoilt", "classes", "said"),
    [
        (None, "elf", "The annotations have no category elf."),
        ("images/0.png", "figure", "0.png cannot be read as an image."),
        ("instances.json", "figure", "{labels} is not what it should be, or does not fit {images}."),
    ],
)
def test_what_cannot_be_prepared_is_one_line(tmp_path: Path, spoilt: str | None, classes: str, said: str) -> None:
    labels, images = drawn.coco(tmp_path, range(1)), tmp_path / "images"
    if spoilt:
        (tmp_path / spoilt).write_text('["nothing of it"]')
    options = ["--labels", str(labels), "--images", str(images), "--out", str(tmp_path / "out")]
    with pytest.raises(NotASet, match=re.escape(said.format(labels=labels, images=images))):
        prepare.main(["coco", *options, "--classes", classes])
    assert not (tmp_path / "out" / "images.npy").exists()


def marked() -> tuple[Any, Any]:
    """A white rectangle on black, and its box."""
    pixels = np.zeros((200, 200, 3), np.uint8)
    pixels[60:140, 80:120] = 255
    return pixels, np.array([[0.4, 0.3, 0.6, 0.7, 1, 0]], np.float32)


def test_wherever_a_window_moves_a_image_the_box_moves_along() -> None:
    pixels, boxes = marked()
    random.seed(1)
    shown = 0
    for _ in range(200):
        window, mirrored = random_window(boxes), random.random() < 0.5
        image, box = cut(pixels, window, mirrored, (100, 100)), moved(boxes, window, mirrored, 0.05)
        if len(box) and box[0, 4] > 0:
            assert_around_the_white(image, box[0])
            shown += 1
    assert shown > 100


def test_some_windows_show_background_alone() -> None:
    pixels, boxes = marked()
    random.seed(3)
    windows = [random_window(boxes) for _ in range(200)]
    empty = [window for window in windows if not len(moved(boxes, window, False, 0.05))]
    assert len(empty) > 10
    assert max(cut(pixels, window, False, (100, 100)).mean() for window in empty) < 1  # a pixel shared with the edge


def test_in_a_mosaic_the_boxes_are_where_the_images_are() -> None:
    white, box = marked()
    black, none = np.zeros_like(white), np.zeros((0, 6), np.float32)
    random.seed(2)
    for place in range(4):
        parts = [(black, none)] * 4
        parts[place] = (white, box)
        image, boxes = mosaic(parts, 160)
        assert len(boxes) == 1
        assert_around_the_white(image, boxes[0])


def assert_around_the_white(image: Any, box: Any) -> None:
    """The box is where the white is, within two pixels."""
    rows, columns = np.nonzero((image > 200).all(-1))
    side = len(image)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(box[:4] * side, seen, atol=2)


def test_a_box_that_is_cut_off_or_too_small_is_looked_away_from_and_a_trace_is_forgotten() -> None:
    boxes = np.array([[0.4, 0.3, 0.6, 0.7, 1, 0]], np.float32)
    assert moved(boxes, (0.45, 0, 0.5, 1), False, 0.05)[0, 4] == 1
    assert moved(boxes, (0.55, 0, 0.4, 1), False, 0.05)[0, 4] == -1
    assert moved(boxes, (0, 0, 1, 1), False, 0.5)[0, 4] == -1
    assert len(moved(boxes, (0.59, 0, 0.4, 1), False, 0.05)) == 0


def test_of_too_many_boxes_the_smallest_become_one_place_to_look_away_from() -> None:
    edges = np.linspace(0.1, 0.9, MOST + 6, dtype=np.float32)
    boxes = np.array([[0, 0, edge, edge, 1, 0] for edge in edges], np.float32)
    out = padded(boxes)
    assert out.shape == (MOST, 6)
    assert (out[:-1, 4] == 1).all()
    np.testing.assert_allclose(out[-1], [0, 0, edges[6], edges[6], -1, 0])
    assert (padded(boxes[:2])[2:, 4] == 0).all()
