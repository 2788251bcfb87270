"""Never the same image twice: windows, mosaics, mirrors and colours, with the boxes that go with them."""

from __future__ import annotations

import math
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dataset import Boxes, LabelledImages, Pixels
from manifest import DEFAULTS

MEAN, STD = (np.array(values, np.float32) for values in (DEFAULTS.mean, DEFAULTS.std))  # of RGB in shares of 255
GREY = tuple(int(value) for value in MEAN * 255)
MOSAIC, CROP, EMPTY, EXPAND = 0.2, 0.4, 0.2, 0.3  # how often; all but the first are of what is no mosaic
SMALLEST = 14  # pixels that a box must be high to be told of
SEEN, TRACE = 0.35, 0.08  # the share of a box in the window: under the first look away, under the second forget it

Window = tuple[float, float, float, float]  # x, y, width, height in shares of the image
WHOLE: Window = (0, 0, 1, 1)


def varied(data: LabelledImages, number: int, size: int) -> tuple[Pixels, Boxes]:
    """Return image `number` of a set as size×size pixels, changed at random, with its boxes."""
    if random.random() < MOSAIC:
        others = random.choices(range(len(data.images)), k=3)
        return mosaic([(data.images[k], data.boxes[k]) for k in (number, *others)], size)
    image, boxes = data.images[number], data.boxes[number]
    window, mirrored = random_window(boxes), random.random() < 0.5
    return cut(image, window, mirrored, (size, size)), moved(boxes, window, mirrored, SMALLEST / size)


def mosaic(parts: list[tuple[Pixels, Boxes]], size: int) -> tuple[Pixels, Boxes]:
    """Four images in one, around a random point."""
    x, y = (int(random.uniform(0.35, 0.65) * size) for _ in range(2))
    out, found = np.empty((size, size, 3), np.uint8), []
    corners = [(0, 0, x, y), (x, 0, size, y), (0, y, x, size), (x, y, size, size)]
    for (image, boxes), (left, top, right, bottom) in zip(parts, corners, strict=True):
        mirrored = random.random() < 0.5
        out[top:bottom, left:right] = cut(image, WHOLE, mirrored, (right - left, bottom - top))
        place = moved(boxes, WHOLE, mirrored, 0)
        place[:, [0, 2]] = (place[:, [0, 2]] * (right - left) + left) / size
        place[:, [1, 3]] = (place[:, [1, 3]] * (bottom - top) + top) / size
        found.append(moved(place, WHOLE, False, SMALLEST / size))
    return out, np.concatenate(found)


def random_window(boxes: Boxes) -> Window:
    """Return a crop with the centre of a box in it, a crop with no box at all, a zoomed-out view or the whole.

    The empty ones teach that the trees, letters and stripes around people are none themselves.
    """
    chance = random.random()
    if chance < CROP + EMPTY:
        fits = shows_one if chance < CROP else shows_none
        return next((window for window in (random_crop() for _ in range(20)) if fits(window, boxes)), WHOLE)
    if chance < CROP + EMPTY + EXPAND:
        zoom = random.uniform(1, 2.2)
        return -random.uniform(0, zoom - 1), -random.uniform(0, zoom - 1), zoom, zoom
    return WHOLE


def random_crop() -> Window:
    """A window of 0.3 to 1 of the image, up to twice as wide as high or the other way round."""
    scale, stretch = random.uniform(0.3, 1), math.sqrt(random.uniform(0.5, 2))
    width, height = min(1, scale * stretch), min(1, scale / stretch)
    return random.uniform(0, 1 - width), random.uniform(0, 1 - height), width, height


def shows_one(window: Window, boxes: Boxes) -> bool:
    """Whether a box's centre is in the window, or the image has no box at all."""
    x, y, width, height = window
    wanted = boxes[boxes[:, 4] > 0]
    across, down = (wanted[:, 0] + wanted[:, 2]) / 2, (wanted[:, 1] + wanted[:, 3]) / 2
    inside = (across > x) & (across < x + width) & (down > y) & (down < y + height)
    return not len(wanted) or bool(inside.any())


def shows_none(window: Window, boxes: Boxes) -> bool:
    """Whether no box reaches into the window, nor a place to look away from."""
    x, y, width, height = window
    across, down = (boxes[:, 0] < x + width) & (boxes[:, 2] > x), (boxes[:, 1] < y + height) & (boxes[:, 3] > y)
    return not bool((across & down).any())


def cut(pixels: Pixels, window: Window, mirrored: bool, size: tuple[int, int]) -> Pixels:
    """Return a window of an image in width × height pixels; what lies beyond its edges is grey."""
    high, wide = pixels.shape[:2]
    x, y, width, height = window[0] * wide, window[1] * high, window[2] * wide, window[3] * high
    image = Image.fromarray(pixels)
    if x < 0 or y < 0 or x + width > wide or y + height > high:
        canvas = Image.new("RGB", (math.ceil(width), math.ceil(height)), GREY)
        canvas.paste(image, (round(-x), round(-y)))
        image, box = canvas, (0.0, 0.0, width, height)
    else:
        box = (x, y, min(x + width, wide), min(y + height, high))
    pixels = np.asarray(image.resize(size, Image.Resampling.BILINEAR, box))
    return pixels[:, ::-1] if mirrored else pixels


def moved(boxes: Boxes, window: Window, mirrored: bool, smallest: float) -> Boxes:
    """Boxes in shares of the window; those mostly outside it, or less than `smallest` high, are looked away from."""
    x, y, width, height = window
    out = boxes.copy()
    out[:, [0, 2]], out[:, [1, 3]] = (out[:, [0, 2]] - x) / width, (out[:, [1, 3]] - y) / height
    whole = np.maximum((out[:, 2] - out[:, 0]) * (out[:, 3] - out[:, 1]), 1e-9)
    out[:, :4] = out[:, :4].clip(0, 1)
    wide, high = out[:, 2] - out[:, 0], out[:, 3] - out[:, 1]
    seen = wide * high / whole
    out[(seen < SEEN) | (high < smallest) | (wide < smallest / 3), 4] = -1
    if mirrored:
        out[:, [0, 2]] = 1 - out[:, [2, 0]]
    return out[seen > TRACE]


def random_colours() -> NDArray[np.float32]:
    """Saturation, brightness, contrast, tint and the normalisation as one matrix (3, 4) from RGB of 0 to 255."""
    matrix, shift = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    if random.random() < 0.6:
        if random.random() < 0.5:
            kept = 0.0 if random.random() < 0.1 else random.uniform(0.5, 1.5)
            matrix = kept * matrix + (1 - kept) / 3
        matrix, shift = matrix * random.uniform(0.7, 1.35), shift + random.uniform(-20, 20)
        if random.random() < 0.5:
            contrast = random.uniform(0.7, 1.3)
            matrix, shift = matrix * contrast, shift * contrast + (1 - contrast) * 118
        if random.random() < 0.4:
            tint = np.array([random.uniform(0.88, 1.12) for _ in "rgb"], np.float32)
            matrix, shift = matrix * tint[:, None], shift * tint
    return normalising(matrix, shift)


def normalising(matrix: NDArray[np.float32], shift: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put GluonCV's normalisation behind a change of colours."""
    scale = (STD * 255)[:, None]
    return np.concatenate([matrix / scale, (shift[:, None] - (MEAN * 255)[:, None]) / scale], 1).astype(np.float32)
