"""Detections → what the caller asked for: one table of representations."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from api.detect import Found
from api.fit import Corners
from api.picture import annotate
from api.schema import Detection

NATIVE = "application/json"


def _native(found: Found) -> bytes:
    return found.answer.model_dump_json().encode()


def _annotated(encoding: Literal["jpeg", "png"], found: Found) -> bytes:
    return annotate(found.picture, captions(found.answer.detections), encoding)


def captions(found: list[Detection]) -> list[tuple[str, Corners]]:
    """What is written on a drawn box, and its corners in pixels of the upright picture."""
    return [
        (f"{one.label} {one.score:.2f}", (one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max)) for one in found
    ]


RENDERINGS: Mapping[str, Callable[[Found], bytes]] = {
    NATIVE: _native,
    "image/jpeg": partial(_annotated, "jpeg"),
    "image/png": partial(_annotated, "png"),
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
