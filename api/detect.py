"""The order of a detection: upload → image → canvas → endpoint → boxes in pixels of the original image."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Self

from api.admission.load import Line, Load, Memory, Pool
from api.backend import Backend
from api.endpoint.contract import Endpoint, EndpointAnswer, Serving
from api.endpoint.transport import Call
from api.errors import DeadlineExceeded, DetectError, EndpointUnavailable, InvalidParameter
from api.image import decode
from api.image.decode import EncodedImage
from api.image.fit import FITS, Fit
from api.render.detections import detections_of
from api.render.result import Result
from api.schema import (
    Detection,
    Detections,
    ImageInfo,
    Model,
    ModelRef,
    Parameters,
)
from api.settings import Settings
from api.telemetry.clock import Clock
from api.telemetry.metrics import Metrics

HEADS = 2  # threads that read images' headers, so that nobody waits behind large images to be refused
IN_LINE = 4  # times the memory for decoding that may have it or wait for it: a batch has four images at once


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
    """Images in, boxes out, for one model behind one endpoint. How the model is described follows its reloads."""

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

    async def detect(self, upload: bytes, wanted: Parameters, request_id: str, ends_at: float | None = None) -> Result:
        """The boxes of one upload, in pixels of its upright image; a batch has one end for all of its images.

        Raises ImageError, UnsupportedImageFormat, InvalidParameter, Overloaded, EndpointError, DeadlineExceeded.
        """
        ends_at = ends_at or time.monotonic() + self.settings.deadline_seconds
        with self.load.place():
            async with _deadline(ends_at):
                return await self._find(upload, wanted, Call(request_id, ends_at - time.monotonic()), Clock())

    async def draw(self, result: Result, drawing: Callable[[Result], bytes]) -> bytes:
        """The drawing's bytes, within the same deadline; it decodes the image again, so it takes a decoder's place.

        Raises Overloaded, DeadlineExceeded.
        """
        async with _deadline(result.ends_at):
            with self._shared.line.place(self._reckon(result.image)):
                return await self._shared.decodes.run(lambda: self._drawn(result, drawing))

    async def current(self) -> Model:
        """What the model is now, asked of an embedded endpoint; of SageMaker's nothing is asked."""
        with suppress(EndpointUnavailable):
            return await self._follow()
        return self.model

    async def reload(self) -> None:
        """Have the endpoint load its model directory again. Raises NotReloaded, EndpointUnavailable."""
        await asyncio.to_thread(self.endpoint.reload)

    async def _find(self, upload: bytes, wanted: Parameters, call: Call, clock: Clock) -> Result:
        model, revision = self.model, self._serving.revision
        _check(wanted, model)
        image, fit, canvas = await self._prepare(upload, model, clock)
        answer, answered_by = await self._shared.calls.run(
            clock.timed("inference", lambda: self._ask(canvas, model, call)), call.abandon
        )
        if answered_by != revision and await self._follow() != model:
            return await self._find(upload, wanted, call, clock)
        self.load.learn(clock.spent)
        self._metrics.detected(self.name, clock.spent, image.width * image.height, self.load.limit)
        found = detections_of(answer, fit, model, wanted)
        return Result(_native(model, image, found, wanted, call.request_id, clock), image, model, call.ends_at)

    async def _prepare(self, upload: bytes, model: Model, clock: Clock) -> tuple[EncodedImage, Fit, bytes]:
        """Admit by the header first, so that a refusal waits for nobody; then wait in line to be decoded."""
        shared = self._shared
        image = await shared.heads.run(clock.timed("decode", lambda: self._admit(upload)))
        with shared.line.place(self._reckon(image, model.input_size)):
            fit, canvas = await shared.decodes.run(clock.timed("decode", lambda: self._canvas(image, model)))
        return image, fit, canvas

    async def _follow(self) -> Model:
        """The model that the endpoint says it serves now. Raises EndpointUnavailable where it says nothing."""
        serving = await asyncio.to_thread(self.endpoint.serving)
        if serving is None:
            raise EndpointUnavailable("The endpoint does not say which model it serves now.", retry_after=1)
        self._serving = self._described(serving)
        return self.model

    def _described(self, serving: Serving) -> Serving:
        return serving.model_copy(update={"model": self._backend.model(self.name, serving.model)})

    def _admit(self, upload: bytes) -> EncodedImage:
        settings = self.settings
        return decode.admit(upload, settings.formats, settings.max_pixels, settings.max_side)

    def _canvas(self, image: EncodedImage, model: Model) -> tuple[Fit, bytes]:
        size = model.input_size
        fit = FITS[model.fit](image.width, image.height, size)
        with self._shared.memory.taken(self._reckon(image, size)):
            return fit, decode.canvas(image, fit, size, self.settings.canvas_format)

    def _reckon(self, image: EncodedImage, size: int | None = None) -> int:
        """Bytes that decoding takes, or all there are where it would take more."""
        return min(image.weight(size), self.settings.decode_bytes)

    def _ask(self, canvas: bytes, model: Model, call: Call) -> tuple[EndpointAnswer, str]:
        failure = None
        try:
            return self.endpoint.invoke(canvas, model.input_size, call)
        except DetectError as error:
            failure = error
            raise
        finally:
            self._metrics.called(self.name, failure, self.endpoint.breaker_state)

    def _drawn(self, result: Result, drawing: Callable[[Result], bytes]) -> bytes:
        with self._shared.memory.taken(self._reckon(result.image)):
            return drawing(result)


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
    model: Model, image: EncodedImage, found: list[Detection], wanted: Parameters, request_id: str, clock: Clock
) -> Detections:
    return Detections(
        request_id=request_id,
        model=ModelRef(name=model.name, version=model.version),
        image=ImageInfo(width=image.width, height=image.height, format=image.format.upper()),
        detections=found,
        count=len(found),
        parameters=wanted,
        timing_ms=clock.timing(),
    )
