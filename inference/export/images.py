"""Files of images, read as the gateway sends them to the endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def images_in(folder: Path) -> list[Path]:
    """Return the JPEG and PNG files of a folder, by name. Raises OSError where there is none."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise FileNotFoundError(f"{folder} holds no JPEG or PNG")
    return files


def canvas(file: Path, size: int) -> Any:
    """Read an image as the gateway sends it: RGB, uint8, stretched to size x size."""
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB").resize((size, size)))
