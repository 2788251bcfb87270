"""The pipeline: upload → picture → canvas → endpoint → boxes in the upright picture."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from api import picture as pictures
from api.backend import Backend
from api.clock import Clock
from api.endpoint import Endpoint
from api.errors import DeadlineExceeded, DetectError, EndpointAnswerInvalid, EndpointUnavailable, InvalidParameter
from api.expected import EndpointAnswer, Serving
from api.fit import FITS, Corners, Fit
from api.load import Line, Load, Memory, Pool
from api.metrics import Metrics
from api.picture import Picture
from api.schema import (
    Box,
    Detection,
    Detections,
    ImageInfo,
    Model,
    ModelRef,
    Parameters,
)
from api.settings import Settings
from api.wire import Call

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


@dataclass(frozen=True)
class Shared:
    """What all models of a process share: the settings, the figures, memory, decoders, places for endpoint calls."""

    settings: Settings
    metrics: Metrics
    memory: Memory
    line: Line
    heads: Pool
    decodes: Pool
    calls: Pool

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics) -> Self:
        """As the settings say."""
        waiting = metrics.waiting.labels
        return cls(
            settings,
            metrics,
            Memory(settings.decode_bytes),
            Line(IN_LINE * settings.decode_bytes),
            Pool("head", HEADS, settings.waiting_decodes),
            Pool("decode", settings.decodes, settings.waiting_decodes, waiting("decode").set),
            Pool("endpoint", settings.endpoint_calls, settings.waiting_calls, waiting("endpoint").set),
        )

    def close(self) -> None:
        """Stop the threads."""
        self.heads.close()
        self.decodes.close()
        self.calls.close()


class Detector:
    """Pictures in, boxes out, for one model behind one endpoint. How the model is described follows its reloads."""

    def __init__(self, name: str, backend: Backend, endpoint: Endpoint, shared: Shared) -> None:
        self.name, self.endpoint, self.settings = name, endpoint, shared.settings
        self.load = Load(shared.settings.endpoint_calls + shared.settings.waiting_calls)
        self._backend, self._shared, self._metrics = backend, shared, shared.metrics
        self._serving = self._described(endpoint.serving() or Serving(revision="", model=backend.on_disk()))
        self._metrics.expect(name)

    @property
    def model(self) -> Model:
        """What the model is, as far as this process has heard."""
        return self._serving.model

    async def detect(self, upload: bytes, wanted: Parameters, request_id: str, ends_at: float | None = None) -> Found:
        """The boxes of one upload, in pixels of its upright picture; a batch has one end for all of its pictures.

        Raises PictureError, UnsupportedPictureFormat, InvalidParameter, Overloaded, EndpointError, DeadlineExceeded.
        """
        ends_at = ends_at or time.monotonic() + self.settings.deadline_seconds
        with self.load.place():
            async with _deadline(ends_at):
                return await self._find(upload, wanted, Call(request_id, ends_at - time.monotonic()), Clock())

    async def draw(self, found: Found, drawing: Callable[[Found], bytes]) -> bytes:
        """The drawing's bytes, within the same deadline; it decodes the picture again, so it takes a decoder's place.

        Raises Overloaded, DeadlineExceeded.
        """
        async with _deadline(found.ends_at):
            with self._shared.line.place(self._reckon(found.picture)):
                return await self._shared.decodes.run(lambda: self._drawn(found, drawing))

    async def current(self) -> Model:
        """What the model is now, asked of an embedded endpoint; of SageMaker's nothing is asked."""
        with suppress(EndpointUnavailable):
            return await self._follow()
        return self.model

    async def reload(self) -> None:
        """Have the endpoint load its model directory again. Raises NotReloaded, EndpointUnavailable."""
        await asyncio.to_thread(self.endpoint.reload)

    async def _find(self, upload: bytes, wanted: Parameters, call: Call, clock: Clock) -> Found:
        model, revision = self.model, self._serving.revision
        _check(wanted, model)
        picture, fit, canvas = await self._prepare(upload, model, clock)
        answer, answered_by = await self._shared.calls.run(
            clock.timed("inference", lambda: self._ask(canvas, model, call)), call.abandon
        )
        if answered_by != revision and await self._follow() != model:
            return await self._find(upload, wanted, call, clock)
        self.load.learn(clock.spent)
        self._metrics.detected(self.name, clock.spent, picture.width * picture.height, self.load.limit)
        found = detections(answer, fit, model, wanted)
        return Found(_native(model, picture, found, wanted, call.request_id, clock), picture, model, call.ends_at)

    async def _prepare(self, upload: bytes, model: Model, clock: Clock) -> tuple[Picture, Fit, bytes]:
        """Admit by the header first, so that a refusal waits for nobody; then wait in line to be decoded."""
        shared = self._shared
        picture = await shared.heads.run(clock.timed("decode", lambda: self._admit(upload)))
        with shared.line.place(self._reckon(picture, model.input_size)):
            fit, canvas = await shared.decodes.run(clock.timed("decode", lambda: self._canvas(picture, model)))
        return picture, fit, canvas

    async def _follow(self) -> Model:
        """The model that the endpoint says it serves now. Raises EndpointUnavailable where it says nothing."""
        serving = await asyncio.to_thread(self.endpoint.serving)
        if serving is None:
            raise EndpointUnavailable("The endpoint does not say which model it serves now.", retry_after=1)
        self._serving = self._described(serving)
        return self.model

    def _described(self, serving: Serving) -> Serving:
        return serving.model_copy(update={"model": self._backend.model(self.name, serving.model)})

    def _admit(self, upload: bytes) -> Picture:
        settings = self.settings
        return pictures.admit(upload, settings.formats, settings.max_pixels, settings.max_side)

    def _canvas(self, picture: Picture, model: Model) -> tuple[Fit, bytes]:
        size = model.input_size
        fit = FITS[model.fit](picture.width, picture.height, size)
        with self._shared.memory.taken(self._reckon(picture, size)):
            return fit, pictures.canvas(picture, fit, size, self.settings.canvas_format)

    def _reckon(self, picture: Picture, size: int | None = None) -> int:
        """Bytes that decoding takes, or all there are where it would take more."""
        return min(picture.weight(size), self.settings.decode_bytes)

    def _ask(self, canvas: bytes, model: Model, call: Call) -> tuple[EndpointAnswer, str]:
        failure = None
        try:
            return self.endpoint.invoke(canvas, model.input_size, call)
        except DetectError as error:
            failure = error
            raise
        finally:
            self._metrics.called(self.name, failure, self.endpoint.breaker_state)

    def _drawn(self, found: Found, drawing: Callable[[Found], bytes]) -> bytes:
        with self._shared.memory.taken(self._reckon(found.picture)):
            return drawing(found)


@asynccontextmanager
async def _deadline(ends_at: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ends_at - time.monotonic()):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded("The request's time budget is spent.") from error


def _check(wanted: Parameters, model: Model) -> None:
    if unknown := set(wanted.labels or ()) - set(model.labels):
        names = ", ".join(sorted(unknown))
        raise InvalidParameter(f"The model does not know the label {names}; GET /model lists those it knows.")


def _native(
    model: Model, picture: Picture, found: list[Detection], wanted: Parameters, request_id: str, clock: Clock
) -> Detections:
    return Detections(
        request_id=request_id,
        model=ModelRef(name=model.name, version=model.version),
        image=ImageInfo(width=picture.width, height=picture.height, format=picture.format.upper()),
        detections=found,
        count=len(found),
        parameters=wanted,
        timing_ms=clock.timing(),
    )


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
