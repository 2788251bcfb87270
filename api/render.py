"""Detections → what the caller asked for: one table of representations."""

from collections.abc import Callable, Mapping
from functools import partial

from api.detect import Found
from api.drawing import Encoding, Mark, annotate
from api.fit import Corners
from api.schema import Box, Detection

NATIVE = "application/json"


def _native(found: Found) -> bytes:
    return found.answer.model_dump_json().encode()


def _annotated(encoding: Encoding, found: Found) -> bytes:
    return annotate(found.picture, marks(found.answer.detections), encoding)


def marks(found: list[Detection]) -> list[Mark]:
    """What is drawn for these detections."""
    return [Mark(f"{one.label} {one.score:.2f}", one.class_id, _corners(one.box)) for one in found]


def _corners(box: Box) -> Corners:
    return box.x_min, box.y_min, box.x_max, box.y_max


RENDERINGS: Mapping[str, Callable[[Found], bytes]] = {
    NATIVE: _native,
    "image/jpeg": partial(_annotated, "jpeg"),
    "image/png": partial(_annotated, "png"),
    "image/webp": partial(_annotated, "webp"),
}


def choose(accept: str) -> str:
    """The media type of the table that an Accept header likes best (RFC 9110 §12.5.1); JSON where it likes none."""
    best, chosen = 0.0, NATIVE
    for wish in accept.split(","):
        name, *options = (part.strip().lower() for part in wish.split(";"))
        quality = next((_quality(option[2:]) for option in options if option.startswith("q=")), 1.0)
        offered = next((kind for kind in RENDERINGS if _fits(name, kind)), None)
        if offered and quality > best:
            best, chosen = quality, offered
    return chosen


def _fits(wish: str, kind: str) -> bool:
    return wish in (kind, "*/*") or (wish.endswith("/*") and kind.startswith(wish[:-1]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
