"""Image size ↔ canvas size: where an image, or a part of it, is drawn on the N×N canvas, and back. Numbers only."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

Corners = tuple[float, float, float, float]


@dataclass(frozen=True)
class Fit:
    """An image of width×height drawn on a canvas at (left, top) with drawn_width×drawn_height, all whole pixels.

    Or a part of an image, at (x, y) in its pixels (EXIF orientation applied).
    """

    width: int
    height: int
    left: int
    top: int
    drawn_width: int
    drawn_height: int
    x: int = 0
    y: int = 0

    def to_image(self, box: Corners) -> Corners | None:
        """A box in canvas pixels → image pixels, clipped to the image or part; None where nothing of it is inside."""
        x_min, x_max = (_back(x, self.left, self.drawn_width, self.width) for x in box[0::2])
        y_min, y_max = (_back(y, self.top, self.drawn_height, self.height) for y in box[1::2])
        inside = x_min < x_max and y_min < y_max
        return (self.x + x_min, self.y + y_min, self.x + x_max, self.y + y_max) if inside else None


def _back(at: float, start: int, drawn: int, whole: int) -> float:
    return min(max((at - start) * whole / drawn, 0.0), float(whole))


def stretch(width: int, height: int, size: int) -> Fit:
    """The image fills the whole canvas; its aspect is not kept (how GluonCV evaluates SSD)."""
    return Fit(width, height, 0, 0, size, size)


def pad(width: int, height: int, size: int) -> Fit:
    """The image keeps its aspect and stands in the middle of the canvas (letterbox)."""
    longer = max(width, height)
    drawn_width, drawn_height = (max(1, round(side * size / longer)) for side in (width, height))
    return Fit(width, height, (size - drawn_width) // 2, (size - drawn_height) // 2, drawn_width, drawn_height)


FITS = {"stretch": stretch, "pad": pad}


def resolution(fits: Sequence[Fit], width: int, height: int) -> tuple[int, int]:
    """The size at which an image has all pixels that its parts are drawn with."""
    across = max(ceil(width * fit.drawn_width / fit.width) for fit in fits)
    down = max(ceil(height * fit.drawn_height / fit.height) for fit in fits)
    return across, down
