"""The pipeline: upload → picture → canvas → endpoint → boxes in the upright picture."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

from api import picture as pictures
from api.endpoint import Endpoint
from api.errors import DeadlineExceeded, DetectError, EndpointAnswerInvalid, InvalidParameter
from api.fit import FITS, Corners, Fit
from api.load import Line, Load, Memory, Pool, Spent
from api.metrics import Metrics
from api.picture import Picture
from api.schema import (
    Box,
    Detection,
    Detections,
    EndpointAnswer,
    ImageInfo,
    Model,
    ModelRef,
    Parameters,
    Timing,
)
from api.settings import Settings
from api.wire import Call

T = TypeVar("T")

HEADS = 2  # threads that read pictures' headers, so that nobody waits behind large pictures to be refused
IN_LINE = 4  # times the memory for decoding that may have it or wait for it: a batch has four pictures at once


@dataclass(frozen=True)
class Found:
    """A finished request: the native answer, its picture and model, when its time is over, the picture's number."""

    answer: Detections
    picture: Picture
    model: Model
    ends_at: float
    image_id: int = 0


class Detector:
    """Pictures in, boxes out, for one model behind one endpoint."""

    def __init__(self, settings: Settings, endpoint: Endpoint, metrics: Metrics) -> None:
        self.settings, self.endpoint, self.model, self.metrics = settings, endpoint, settings.model, metrics
        self.load = Load(settings.endpoint_calls + settings.waiting_calls)
        self._memory, self._line = Memory(settings.decode_bytes), Line(IN_LINE * settings.decode_bytes)
        self._heads = Pool("head", HEADS, settings.waiting_decodes)
        self._decodes = Pool("decode", settings.decodes, settings.waiting_decodes, metrics.waiting.labels("decode").set)
        self._calls = Pool(
            "endpoint", settings.endpoint_calls, settings.waiting_calls, metrics.waiting.labels("endpoint").set
        )

    async def detect(self, upload: bytes, wanted: Parameters, request_id: str, ends_at: float | None = None) -> Found:
        """The boxes of one upload, in pixels of its upright picture; a batch has one end for all of its pictures.

        Raises PictureError, UnsupportedPictureFormat, InvalidParameter, Overloaded, EndpointError, DeadlineExceeded.
        """
        self._check(wanted)
        ends_at = ends_at or time.monotonic() + self.settings.deadline_seconds
        with self.load.place():
            async with _deadline(ends_at):
                return await self._find(upload, wanted, Call(request_id, ends_at - time.monotonic()))

    async def draw(self, found: Found, drawing: Callable[[Found], bytes]) -> bytes:
        """The drawing's bytes, within the same deadline; it decodes the picture again, so it takes a decoder's place.

        Raises Overloaded, DeadlineExceeded.
        """
        async with _deadline(found.ends_at):
            with self._line.place(self._reckon(found.picture)):
                return await self._decodes.run(lambda: self._drawn(found, drawing))

    async def _find(self, upload: bytes, wanted: Parameters, call: Call) -> Found:
        clock = Clock()
        picture = await self._heads.run(clock.timed("decode", lambda: self._admit(upload)))
        with self._line.place(self._reckon(picture, self.model.input_size)):
            fit, canvas = await self._decodes.run(clock.timed("decode", lambda: self._canvas(picture)))
        answer = await self._calls.run(clock.timed("inference", lambda: self._ask(canvas, call)), call.abandon)
        self.load.learn(clock.spent)
        self.metrics.detected(clock.spent, picture.width * picture.height)
        self.metrics.limit.set(self.load.limit)
        found = detections(answer, fit, self.model, wanted)
        return Found(self._native(picture, found, wanted, call.request_id, clock), picture, self.model, call.ends_at)

    def close(self) -> None:
        """Stop the threads."""
        self._heads.close()
        self._decodes.close()
        self._calls.close()

    def _check(self, wanted: Parameters) -> None:
        if unknown := set(wanted.labels or ()) - set(self.model.labels):
            names = ", ".join(sorted(unknown))
            raise InvalidParameter(f"The model does not know the label {names}; GET /model lists those it knows.")

    def _admit(self, upload: bytes) -> Picture:
        settings = self.settings
        return pictures.admit(upload, settings.formats, settings.max_pixels, settings.max_side)

    def _canvas(self, picture: Picture) -> tuple[Fit, bytes]:
        size = self.model.input_size
        fit = FITS[self.model.fit](picture.width, picture.height, size)
        with self._memory.taken(self._reckon(picture, size)):
            return fit, pictures.canvas(picture, fit, size, self.settings.canvas_format)

    def _reckon(self, picture: Picture, size: int | None = None) -> int:
        """Bytes that decoding takes, or all there are where it would take more."""
        return min(picture.weight(size), self.settings.decode_bytes)

    def _ask(self, canvas: bytes, call: Call) -> EndpointAnswer:
        failure = None
        try:
            return self.endpoint.invoke(canvas, self.model.input_size, call)
        except DetectError as error:
            failure = error
            raise
        finally:
            self.metrics.called(failure, self.endpoint.breaker_state)

    def _drawn(self, found: Found, drawing: Callable[[Found], bytes]) -> bytes:
        with self._memory.taken(self._reckon(found.picture)):
            return drawing(found)

    def _native(
        self, picture: Picture, found: list[Detection], wanted: Parameters, request_id: str, clock: "Clock"
    ) -> Detections:
        return Detections(
            request_id=request_id,
            model=ModelRef(name=self.model.name, version=self.model.version),
            image=ImageInfo(width=picture.width, height=picture.height, format=picture.format.upper()),
            detections=found,
            count=len(found),
            parameters=wanted,
            timing_ms=clock.timing(),
        )


@asynccontextmanager
async def _deadline(ends_at: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ends_at - time.monotonic()):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded("The request's time budget is spent.") from error


def detections(answer: EndpointAnswer, fit: Fit, model: Model, wanted: Parameters) -> list[Detection]:
    """The endpoint's rows as detections in picture pixels, best first; what was not wanted is left out.

    Raises EndpointAnswerInvalid where a class has no label.
    """
    _, _, height, width = answer.shape
    size, found = model.input_size, []
    for class_id, score, (x_min, y_min, x_max, y_max) in answer.rows():
        label = _label(model, class_id)
        box = fit.to_picture((x_min * size / width, y_min * size / height, x_max * size / width, y_max * size / height))
        if box and score >= wanted.min_score and (not wanted.labels or label in wanted.labels):
            found.append(_detection(label, class_id, score, box, fit))
    found = [one for one in found if _has_area(one.box) and _has_area(one.box_normalized)]
    found.sort(key=lambda one: (-one.score, one.class_id))
    return found[: wanted.max_detections]


def _label(model: Model, class_id: int) -> str:
    if class_id >= len(model.labels):
        raise EndpointAnswerInvalid(f"The endpoint found class {class_id}; only {len(model.labels)} have a label.")
    return model.labels[class_id]


def _detection(label: str, class_id: int, score: float, box: Corners, fit: Fit) -> Detection:
    shares = (box[0] / fit.width, box[1] / fit.height, box[2] / fit.width, box[3] / fit.height)
    return Detection(
        label=label,
        class_id=class_id,
        score=round(score, 6),
        box=_box(box, digits=3),
        box_normalized=_box(shares, digits=6),
    )


def _box(corners: Corners, digits: int) -> Box:
    x_min, y_min, x_max, y_max = (round(at, digits) for at in corners)
    return Box(x_min=x_min, y_min=y_min, x_max=x_max, y_max=y_max)


def _has_area(box: Box) -> bool:
    return box.x_min < box.x_max and box.y_min < box.y_max


class Clock:
    """Where a request's time goes; written from worker threads one after the other."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._spent = {"decode": 0.0, "queue": 0.0, "inference": 0.0}
        self._work = 0.0

    def timed(self, stage: str, work: Callable[[], T]) -> Callable[[], T]:
        """The work, timed as this stage; what passes between now and its start was spent in a queue."""
        asked = time.perf_counter()

        def run() -> T:
            started, worked = time.perf_counter(), time.thread_time()
            self._spent["queue"] += started - asked
            try:
                return work()
            finally:
                self._spent[stage] += time.perf_counter() - started
                self._work += time.thread_time() - worked

        return run

    @property
    def spent(self) -> Spent:
        """Seconds so far."""
        return Spent(**self._spent, work=self._work, total=time.perf_counter() - self._started)

    def timing(self) -> Timing:
        """Milliseconds so far."""
        spent = {**self._spent, "total": time.perf_counter() - self._started}
        return Timing(**{stage: round(seconds * 1000, 1) for stage, seconds in spent.items()})
