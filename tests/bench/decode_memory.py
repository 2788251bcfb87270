"""Most memory that fitting one 40-megapixel image takes, per pixel, beside what `EncodedImage.memory` reckons.

.venv-dev/bin/python -m tests.bench.decode_memory
"""

import subprocess
import sys
from pathlib import Path

from PIL import Image

from api.image.decode import canvases
from api.image.fit import FITS
from api.image.inspection import inspect
from tests.example_images import encoded

SIDE, SIZE = (8000, 5000), 512
CASES: dict[str, tuple[str, str, dict[str, object]]] = {
    "jpeg": ("JPEG", "RGB", {}),
    "jpeg progressive": ("JPEG", "RGB", {"progressive": True}),
    "jpeg CMYK progressive": ("JPEG", "CMYK", {"progressive": True}),
    "png": ("PNG", "RGB", {}),
    "png alpha": ("PNG", "RGBA", {}),
    "png 16 bit": ("PNG", "I;16", {}),
    "webp": ("WEBP", "RGB", {}),
    "webp alpha": ("WEBP", "RGBA", {"lossless": True}),
}


def main() -> None:
    """Each case in a process of its own, since a process's peak never falls."""
    if len(sys.argv) > 1:
        return measure(sys.argv[1])
    for name in CASES:
        subprocess.run([sys.executable, "-m", __spec__.name, name], check=True)
    return None


def measure(name: str) -> None:
    """Print one case's peak and reckoned bytes per pixel."""
    format, mode, options = CASES[name]
    data = encoded(Image.new(mode, SIDE), format, **options)
    image = inspect(data, (format.lower(),), 10**9, 10**5)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew here
    before = _status("VmRSS")
    canvases(image, [FITS["stretch"](image.width, image.height, SIZE)], SIZE, "jpeg")
    pixels = image.width * image.height
    took, reckoned = (_status("VmHWM") - before) / pixels, image.memory(SIZE) / pixels
    sys.stdout.write(f"{name:22} {took:5.1f} bytes a pixel, reckoned {reckoned:5.1f}\n")


def _status(name: str) -> int:
    """Bytes, from /proc/self/status."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith(name)))


if __name__ == "__main__":
    main()
