"""Where `detect-gateway detect --draw` draws, and what: never over an image that it was asked about."""

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryFile

from api.cli.images import SUFFIXES
from api.image.decode import Encoding
from api.image.draw import annotate
from api.image.inspection import inspect
from api.render.marks import marks
from api.schema import Detections
from api.settings import FORMATS

NO_LIMIT = 1 << 62
ENCODINGS: dict[str, Encoding] = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png", ".webp": "webp"}


class Drawings:
    """Images with their boxes, as JPEG, PNG or WebP by the name; `place` is a file for one image, or a folder."""

    def __init__(self, place: str, files: list[str]) -> None:
        """Raises ValueError for a place that cannot hold them."""
        self.place = Path(place)
        self._alone = not _is_folder(place, len(files))
        flat = (_flat(file).casefold() for file in files)  # as file systems of macOS and Windows compare names
        self._parent = _common_parent(files) if _collide(flat) else None
        if _collide(map(self.target, files)):
            raise ValueError(f"several images have the same file name in {place}")

    def open(self) -> None:
        """Make the folder and try it, before anything is asked. Raises OSError."""
        folder = self.place.parent if self._alone else self.place
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass

    def target(self, file: str) -> Path:
        """Where an image is drawn: in a folder by its name, or by its path where names are taken."""
        if self._alone:
            return self.place
        if self._parent is None:
            return self.place / _flat(file)
        return self.place / _drawable(os.path.relpath(os.path.abspath(file), self._parent))

    def draw(self, file: str, answer: Detections) -> None:
        """Draw one. Raises OSError and DetectError."""
        target = self.target(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        inspected = inspect(Path(file).read_bytes(), FORMATS, NO_LIMIT, NO_LIMIT)
        target.write_bytes(annotate(inspected, marks(answer.detections), ENCODINGS[target.suffix.lower()]))


def _is_folder(place: str, images: int) -> bool:
    """A folder exists, ends in a slash, or does not end as an image's name does."""
    suffix = Path(place).suffix.lower()
    if os.path.isdir(place) or place.endswith(("/", os.sep)) or suffix not in SUFFIXES:
        return True
    if suffix not in ENCODINGS:
        raise ValueError(f"{place} has no suffix for an image: use .jpg, .png or .webp")
    if images > 1:
        raise ValueError(
            f"{place} is one file, but there are {images} images: name a folder, such as {Path(place).stem}/"
        )
    return False


def _flat(file: str) -> str:
    return _drawable(os.path.basename(file))


def _drawable(name: str) -> str:
    """A name that says what the file is: what is no JPEG, PNG or WebP by its name is drawn as JPEG."""
    return name if os.path.splitext(name)[1].lower() in ENCODINGS else f"{name}.jpg"


def _common_parent(files: list[str]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])


def _collide(names: Iterable[object]) -> bool:
    seen = set[object]()
    for name in names:
        if name in seen:
            return True
        seen.add(name)
    return False
