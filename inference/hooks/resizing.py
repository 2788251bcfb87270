"""RGB pixels → the size that the network gets, with the pixels that GluonCV gets from OpenCV."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

MAX_LONGER_SIDE = 1024  # of the tensor: GluonCV's


def shorten(image: "Pixels", short: int) -> "Pixels":
    """Resize to `short` pixels on the shorter side, the longer one at most 1024, as GluonCV's transform_test."""
    size = image.shape[0], image.shape[1]
    new_size = shortened(size[0], size[1], short)
    return image if new_size == size else resize(image, *new_size)


def shortened(height: int, width: int, short: int) -> "tuple[int, int]":
    """Return the height and width that an image is resized to."""
    scale = short / min(height, width)
    if np.round(scale * max(height, width)) > MAX_LONGER_SIDE:
        scale = MAX_LONGER_SIDE / max(height, width)
    return max(1, int(np.round(height * scale))), max(1, int(np.round(width * scale)))


def resize(image: "Pixels", height: int, width: int) -> "Pixels":
    """Resize by OpenCV's bicubic rule, which looks at 4x4 pixels and does not smooth when it shrinks."""
    old_height, old_width = image.shape[:2]
    rows, row_weights = bicubic(old_height, height)
    columns, column_weights = bicubic(old_width, width)
    columns = (columns[:, :, None] * 3 + np.arange(3)).reshape(4, -1)  # red, green and blue lie side by side
    column_weights = np.repeat(column_weights, 3, axis=1)
    flat = image.reshape(old_height, -1)
    resized: Pixels = np.empty((height, width * 3), np.uint8)
    for start in range(0, height, 16):  # so few rows stay in the processor's cache
        part = slice(start, start + 16)
        tall = mixed(flat, rows[:, part], row_weights[:, part, None], axis=0)
        resized[part] = np.rint(mixed(tall, columns, column_weights, axis=1)).clip(0, 255)
    return resized.reshape(height, width, 3)


def mixed(pixels: Any, sources: Any, weights: Any, axis: int) -> Any:
    """Make rows (axis 0) or columns (axis 1), float32, each out of four; sources and weights come as (4, new ones)."""
    total = pixels.take(sources[0], axis) * weights[0]
    for tap in (1, 2, 3):
        total += pixels.take(sources[tap], axis) * weights[tap]
    return total


def bicubic(size: int, new_size: int) -> "tuple[Any, Any]":
    """Return which four pixels each new pixel is made of, (4, new_size), and their weights.

    Keys' cubic convolution with a = -0.75 in steps of 1/2048, as OpenCV; over the edge, the pixel on it counts.
    """
    centre = ((np.arange(new_size) + 0.5) * (size / new_size) - 0.5).astype(np.float32)
    first = np.floor(centre)
    distance = np.abs((centre - first)[None] - np.arange(-1, 3, dtype=np.float32)[:, None])
    a = np.float32(-0.75)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = a * (((distance - 5) * distance + 8) * distance - 4)
    weights = np.rint(np.where(distance <= 1, near, far) * 2048) / 2048
    sources = first.astype(np.int64)[None] + np.arange(-1, 3)[:, None]
    return np.clip(sources, 0, size - 1), weights.astype(np.float32)
