"""Images that a detector sees something in, and the request bodies that carry them."""

import base64
import io
import json
from random import Random
from typing import Any

from PIL import Image, ImageDraw, ImageFilter


def request_of(image: bytes, short: int | None = None) -> str:
    """Return the request body for an image."""
    request: dict[str, Any] = {"image": base64.b64encode(image).decode()}
    return json.dumps(request if short is None else {**request, "short": short})


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return an image's file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def drawn_image(seed: int, width: int = 300, height: int = 300) -> Image.Image:
    """Draw heads on bodies before soft noise: enough for a detector to see something in."""
    random = Random(seed)
    noise = Image.frombytes("RGB", (24, 24), random.randbytes(24 * 24 * 3))
    image = noise.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x, y, size = random.randrange(width), random.randrange(height // 2), random.randrange(20, 60)
        skin, cloth = ((random.randrange(90, 255), random.randrange(60, 200), random.randrange(200)) for _ in "ab")
        draw.rounded_rectangle((x - size, y + size, x + size, y + 4 * size), size // 2, fill=cloth)
        draw.ellipse((x - size // 2, y, x + size // 2, y + size), fill=skin)
    return image.filter(ImageFilter.GaussianBlur(1))
