"""The photograph that the tests show, and images that they make themselves."""

import io
import random
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, ImageDraw
from PIL.Image import Transpose

HOPPER = Path(__file__).resolve().parents[1] / "docs" / "images" / "grace_hopper.jpg"
TURNED = {  # by EXIF's orientation: how a camera that was held so has turned the upright image
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_90,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_270,
}


def scene(width: int = 640, height: int = 480, seed: int = 1) -> Image.Image:
    """Figures of colour on a gradient: something with edges, never twice the same."""
    chance = random.Random(seed)
    image = Image.linear_gradient("L").resize((width, height)).convert("RGB")
    pen = ImageDraw.Draw(image)
    for _ in range(12):
        x, y = chance.randrange(width), chance.randrange(height)
        w, h = chance.randrange(1, max(2, width // 3)), chance.randrange(1, max(2, height // 2))
        colour = tuple(chance.randrange(256) for _ in range(3))
        pen.ellipse((x, y, x + w // 2, y + h // 4), fill=colour)
        pen.rectangle((x, y + h // 4, x + w // 2, y + h), fill=colour)
    return image


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def stored(upright: Image.Image, orientation: int, format: str = "JPEG", **options: Any) -> bytes:
    """The image as a camera stores it that was held as EXIF's orientation (1 to 8) says."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    turned = upright.transpose(TURNED[orientation]) if orientation in TURNED else upright
    return encoded(turned, format, exif=exif, **options)


def jpeg(width: int = 640, height: int = 480, seed: int = 1) -> bytes:
    return encoded(scene(width, height, seed), quality=90)


def pixel(image: Image.Image, at: tuple[int, int]) -> tuple[int, int, int]:
    red, green, blue = image.convert("RGB").crop((*at, at[0] + 1, at[1] + 1)).tobytes()
    return red, green, blue
