"""The order of a detection: upload → image → canvas → endpoint → boxes in pixels of the original image."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Self

from api.admission.event_loop import EventLoopLag
from api.admission.queue import WorkQueue, check_wait
from api.backend import Backend
from api.endpoint.contract import Endpoint, EndpointAnswer, Serving
from api.endpoint.transport import Call
from api.errors import DeadlineExceeded, DetectError, EndpointUnavailable, InvalidParameter
from api.image.decode import Encoding
from api.image.decoders import Decoders
from api.image.fit import Fit
from api.image.inspection import BASE_SECONDS, Cost, EncodedImage, inspect
from api.image.tiles import fits_of
from api.render.detections import Seen, detections_of
from api.render.marks import marks
from api.render.result import Result
from api.schema import Detection, Detections, ImageInfo, Model, ModelRef, Parameters
from api.settings import Settings
from api.telemetry.clock import Clock
from api.telemetry.metrics import Metrics

USUAL_CALL_SECONDS = 0.1  # of an endpoint, until it is measured
HEAD_SHARE = 0.85  # of the longest wait, up to which a body is read: others who were let in are on their way, too
Answered = tuple[EndpointAnswer, str]  # and the revision of the model that gave it


@dataclass(frozen=True)
class Shared:
    """What all models of a process share: settings, metrics, the decoders with the queue before them."""

    settings: Settings
    metrics: Metrics
    decoders: Decoders
    decoding: WorkQueue
    lag: EventLoopLag

    @classmethod
    def of(cls, settings: Settings, metrics: Metrics) -> Self:
        """As the settings say."""
        decoding = WorkQueue(
            settings.decodes,
            memory=settings.decode_bytes,
            spare_slot=True,
            note=metrics.waiting.labels("decode").inc,
        )
        return cls(settings, metrics, Decoders(settings.decode_seconds), decoding, EventLoopLag())

    async def start(self) -> None:
        """Have the decoders ready, and the event loop watched."""
        self.lag.start()
        await self.decoders.start(self.settings.decodes)

    async def close(self) -> None:
        """Stop them."""
        self.lag.stop()
        await self.decoders.close()


@dataclass(frozen=True)
class Asker:
    """Who asks, by whose turn it is in the queues; under which id; when the time for it is over.

    `charge` counts so many more calls towards the rate. Raises RateLimited.
    """

    caller: str
    request_id: str
    ends_at: float
    charge: Callable[[int], Awaitable[None]]

    def part(self, number: int) -> Self:
        """The same for one of a request's calls; SageMaker's inference ids end at 64 characters."""
        return replace(self, request_id=f"{self.request_id[:60]}.{number}") if number else self


class Detector:
    """Images in, boxes out, for one model behind one endpoint. How the model is described follows its reloads."""

    def __init__(self, name: str, backend: Backend, endpoint: Endpoint, shared: Shared) -> None:
        self.name, self.endpoint, self.settings = name, endpoint, shared.settings
        self._backend, self._shared, self._metrics = backend, shared, shared.metrics
        waiting = shared.metrics.waiting.labels("endpoint")
        self._calls = WorkQueue(shared.settings.endpoint_calls, pace=USUAL_CALL_SECONDS, note=waiting.inc)
        self._serving = self._described(endpoint.serving() or Serving(revision="", model=backend.on_disk()))
        self._metrics.expect(name)

    @property
    def model(self) -> Model:
        """What the model is, as far as this process has heard."""
        return self._serving.model

    def check_queue(self, caller: str) -> None:
        """Raises Overloaded where an image of this caller would wait too long; asked before its body is read."""
        self._check_wait(caller, BASE_SECONDS, 1, HEAD_SHARE * self.settings.queue_seconds)

    def _check_wait(self, caller: str, seconds: float, calls: int, longest: float) -> None:
        """Raises Overloaded where decoding of so many seconds, and so many calls, would wait longer than that."""
        decoding, endpoint = self._shared.decoding, self._calls
        waits = {"decode-queue": decoding.wait(caller, seconds), "endpoint-queue": endpoint.wait(caller, calls)}
        if decoding.has_work_of(caller) or endpoint.has_work_of(caller):  # who asks for little is not turned away by it
            waits["event-loop"] = self._shared.lag.wait
        check_wait(waits, longest)

    async def detect(self, upload: bytes, wanted: Parameters, asker: Asker) -> Result:
        """The boxes of one upload, in pixels of the original image.

        Raises ImageError, UnsupportedImageFormat, InvalidParameter, Overloaded, EndpointError, DeadlineExceeded.
        """
        clock, settings = Clock(), self.settings
        async with _deadline(asker.ends_at):
            image = inspect(upload, settings.formats, settings.max_pixels, settings.max_side)
            fits = self._fits(image, wanted)
            self._check_wait(asker.caller, image.cost(fits).seconds, len(fits), settings.queue_seconds)
            await asker.charge(len(fits) - 1)
            del upload
            seen, model = await self._look(image, asker, clock, wanted)
        self._metrics.detected(self.name, clock.spent, image.width * image.height)
        found = detections_of(seen, model, wanted)
        return Result(_native(model, image, found, wanted, asker.request_id, clock, len(seen)), image, model)

    async def draw(self, result: Result, encoding: Encoding, asker: Asker) -> bytes:
        """The original image with its boxes, encoded; within the same deadline. Raises ImageError, DeadlineExceeded."""
        async with _deadline(asker.ends_at):
            drawn = [tuple(mark) for mark in marks(result.answer.detections)]
            options = {"marks": drawn, "encoding": encoding}
            [body] = await self._decode("annotate", result.image, result.image.cost(), asker, Clock(), **options)
            return body

    async def current(self) -> Model:
        """What the model is now, asked of an embedded endpoint; of SageMaker's nothing is asked."""
        with suppress(EndpointUnavailable):
            return await self._follow()
        return self.model

    async def reload(self) -> None:
        """Have the endpoint load its model directory again. Raises NotReloaded, EndpointUnavailable."""
        await asyncio.to_thread(self.endpoint.reload)

    def _fits(self, image: EncodedImage, wanted: Parameters) -> list[Fit]:
        """What is drawn on a canvas each: the whole image, then its tiles. Raises InvalidParameter."""
        model = self.model
        return fits_of(image.width, image.height, model.fit, model.input_size, wanted.tiles, self.settings.max_tiles)

    async def _look(
        self, image: EncodedImage, asker: Asker, clock: Clock, wanted: Parameters
    ) -> tuple[list[Seen], Model]:
        """The endpoint's answer for each canvas of the image, and the model that gave them, reloads seen through."""
        model, revision, fits = self.model, self._serving.revision, self._fits(image, wanted)
        _check(wanted, model)
        drawn = {"fits": [vars(fit) for fit in fits], "size": model.input_size, "encoding": self.settings.canvas_format}
        canvases = await self._decode("canvases", image, image.cost(fits), asker, clock, **drawn)
        answers = await self._call_all(canvases, model, asker, clock)
        if {by for _, by in answers} != {revision} and await self._follow() != model:
            return await self._look(image, asker, clock, wanted)
        return [(answer, fit) for (answer, _), fit in zip(answers, fits, strict=True)], model

    async def _decode(
        self, work: str, image: EncodedImage, cost: Cost, asker: Asker, clock: Clock, **options: Any
    ) -> list[bytes]:
        """The results of a piece of work on the image, in its caller's turn, by a process that can be killed."""
        turns, decoders = self._shared.decoding, self._shared.decoders
        with decoders.decoding(work, image, cost.seconds, memory=cost.memory, **options) as decoding:
            async with turns.turn(asker.caller, cost.seconds, cost.memory, decoding.begin) as turn:
                clock.add("queue", turn.waited)
                with clock.time("decode"):
                    return await decoding.results()

    async def _call_all(self, canvases: list[bytes], model: Model, asker: Asker, clock: Clock) -> list[Answered]:
        """The answer for each canvas. The calls go out together; where one fails, the others are cancelled.

        While the breaker lets a single call pass, to try the endpoint, that of the whole image goes first.
        """
        alone = len(canvases) == 1 or self.endpoint.breaker_state != "closed"
        answers = [await self._call(canvases[0], model, asker, clock)] if alone else []
        others = [(canvas, asker.part(number), Clock()) for number, canvas in enumerate(canvases)][len(answers) :]
        async with asyncio.TaskGroup() as group:
            calls = [group.create_task(self._call(canvas, model, part, own)) for canvas, part, own in others]
        clock.add_longest([own for _, _, own in others])
        return answers + [call.result() for call in calls]

    async def _call(self, canvas: bytes, model: Model, asker: Asker, clock: Clock) -> Answered:
        """The endpoint's answer for a canvas, in its caller's turn, and the revision of the model that gave it."""
        call = Call(asker.request_id, asker.ends_at - time.monotonic())
        async with self._calls.turn(asker.caller, 1) as turn:
            clock.add("queue", turn.waited)
            with clock.time("inference"):
                return await self._invoke(canvas, model.input_size, call)

    async def _invoke(self, canvas: bytes, size: int, call: Call) -> Answered:
        failure = None
        try:
            return await self.endpoint.invoke(canvas, size, call)
        except DetectError as error:
            failure = error
            raise
        finally:
            self._metrics.called(self.name, failure, self.endpoint.breaker_state)

    async def _follow(self) -> Model:
        """The model that the endpoint says it serves now. Raises EndpointUnavailable where it says nothing."""
        serving = await asyncio.to_thread(self.endpoint.serving)
        if serving is None:
            raise EndpointUnavailable("The endpoint does not report which model it serves.", retry_after=1)
        self._serving = self._described(serving)
        return self.model

    def _described(self, serving: Serving) -> Serving:
        return serving.model_copy(update={"model": self._backend.model(self.name, serving.model)})


@asynccontextmanager
async def _deadline(ends_at: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(ends_at - time.monotonic()):
            yield
    except TimeoutError as error:
        raise DeadlineExceeded("The deadline has passed.") from error
    except ExceptionGroup as failed:  # of calls that went out together: the first has cancelled the others
        raise failed.exceptions[0] from failed.exceptions[0].__cause__


def _check(wanted: Parameters, model: Model) -> None:
    if unknown := set(wanted.labels or ()) - set(model.labels):
        names = ", ".join(sorted(unknown))
        raise InvalidParameter(f"Unknown label {names}; GET /model lists the model's labels.")


def _native(
    model: Model,
    image: EncodedImage,
    found: list[Detection],
    wanted: Parameters,
    request_id: str,
    clock: Clock,
    calls: int,
) -> Detections:
    return Detections(
        request_id=request_id,
        model=ModelRef(name=model.name, version=model.version),
        image=ImageInfo(width=image.width, height=image.height, format=image.format.upper()),
        detections=found,
        count=len(found),
        calls=calls,
        parameters=wanted,
        timing_ms=clock.timing(),
    )
