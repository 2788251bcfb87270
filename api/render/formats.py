"""Detections → what the caller asked for: one table of representations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from api.image.decode import Encoding
from api.render.coco import RESULTS, results
from api.render.result import Result
from api.render.roboflow import roboflow


def _native(image_id: int, result: Result) -> bytes:
    return result.answer.model_dump_json().encode()


def _coco(image_id: int, result: Result) -> bytes:
    return RESULTS.dump_json(results(result.answer.detections, result.model.labels, image_id))


def _roboflow(image_id: int, result: Result) -> bytes:
    return roboflow(result.answer).model_dump_json().encode()


@dataclass(frozen=True)
class Rendering:
    """One format: its media type, and its bytes (COCO numbers the image); or, where it is the image, its encoding."""

    media_type: str
    body: Callable[[int, Result], bytes] = _native
    encoding: Encoding | None = None


Format = Literal["native", "coco", "roboflow", "jpeg", "png", "webp"]

RENDERINGS: Mapping[Format, Rendering] = {
    "native": Rendering("application/json", _native),
    "coco": Rendering("application/json", _coco),
    "roboflow": Rendering("application/json", _roboflow),
    "jpeg": Rendering("image/jpeg", encoding="jpeg"),
    "png": Rendering("image/png", encoding="png"),
    "webp": Rendering("image/webp", encoding="webp"),
}


def choose(accept: str, format: Format | None = None) -> Rendering:
    """The format that is named; else native, unless an Accept header takes nothing but images.

    Java and browsers accept `image/…` beside `*/*` on every request, but expect JSON.
    """
    if format:
        return RENDERINGS[format]
    images = [one.media_type for one in RENDERINGS.values() if one.encoding]
    if not all(name.startswith("image/") for name, quality in _wishes(accept) if quality):
        return RENDERINGS["native"]
    best = liked(accept, ["application/json", *images])
    return next(one for one in RENDERINGS.values() if one.media_type == best)


def liked(accept: str, offered: Sequence[str]) -> str:
    """The media type that an Accept header likes best (RFC 9110 §12.5.1); the first where it likes none."""
    best, chosen = 0.0, offered[0]
    for name, quality in _wishes(accept):
        fitting = next((kind for kind in offered if _fits(name, kind)), None)
        if fitting and quality > best:
            best, chosen = quality, fitting
    return chosen


def _wishes(accept: str) -> Iterator[tuple[str, float]]:
    """Media types and how much each is liked, from 0 to 1."""
    for wish in accept.split(","):
        name, *options = (part.strip().lower() for part in wish.split(";"))
        yield name, next((_quality(option[2:]) for option in options if option.startswith("q=")), 1.0)


def _fits(wish: str, kind: str) -> bool:
    return wish in (kind, "*/*") or (wish.endswith("/*") and kind.startswith(wish[:-1]))


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
