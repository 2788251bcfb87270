"""Detections → what the caller asked for: one table of representations."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from api.image.decode import Encoding
from api.render.coco import RESULTS, results
from api.render.result import Result


def _native(image_id: int, result: Result) -> bytes:
    return result.answer.model_dump_json().encode()


def _coco(image_id: int, result: Result) -> bytes:
    return RESULTS.dump_json(results(result.answer.detections, result.model.labels, image_id))


@dataclass(frozen=True)
class Rendering:
    """One format: its media type, and its bytes (COCO numbers the image); or, where it is the image, its encoding."""

    media_type: str
    body: Callable[[int, Result], bytes] = _native
    encoding: Encoding | None = None


Format = Literal["native", "coco", "jpeg", "png", "webp"]

RENDERINGS: Mapping[Format, Rendering] = {
    "native": Rendering("application/json", _native),
    "coco": Rendering("application/json", _coco),
    "jpeg": Rendering("image/jpeg", encoding="jpeg"),
    "png": Rendering("image/png", encoding="png"),
    "webp": Rendering("image/webp", encoding="webp"),
}


def choose(accept: str, format: Format | None = None) -> Rendering:
    """The format that is named; else what an Accept header likes best, native where it likes none."""
    if format:
        return RENDERINGS[format]
    best = liked(accept, [one.media_type for one in RENDERINGS.values()])
    return next(one for one in RENDERINGS.values() if one.media_type == best)


def liked(accept: str, offered: Sequence[str]) -> str:
    """The media type that an Accept header likes best (RFC 9110 §12.5.1); the first where it likes none."""
    best, chosen = 0.0, offered[0]
    for wish in accept.split(","):
        name, *options = (part.strip().lower() for part in wish.split(";"))
        quality = next((_quality(option[2:]) for option in options if option.startswith("q=")), 1.0)
        fitting = next((kind for kind in offered if _fits(name, kind)), None)
        if fitting and quality > best:
            best, chosen = quality, fitting
    return chosen


def _fits(wish: str, kind: str) -> bool:
    return wish in (kind, "*/*") or (wish.endswith("/*") and kind.startswith(wish[:-1]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
