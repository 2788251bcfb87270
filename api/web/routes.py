"""HTTP: parameters in, representation out."""

import asyncio
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from api.detect import Detector
from api.render.formats import choose, liked
from api.schema import (
    Alive,
    BatchAnswer,
    CocoResult,
    Detections,
    Health,
    Limits,
    ModelCard,
    ModelCards,
    ModelHealth,
    ModelRef,
    Readiness,
    RoboflowAnswer,
)
from api.settings import Settings
from api.telemetry.metrics import EXPOSITION_TYPE
from api.telemetry.request_record import record_of
from api.web.batch import PATH, entries
from api.web.dependencies import (
    ADMINISTERING,
    ADMITTED,
    IDENTIFIED,
    OVERHEARING,
    AskedInBatch,
    AskedOnce,
    CurrentDetector,
    CurrentModels,
    CurrentSettings,
    asker_of,
)
from api.web.openapi import (
    BATCH_REQUEST,
    BATCH_RESPONSES,
    DETECT_REQUEST,
    DETECT_RESPONSES,
    HEALTH_RESPONSES,
    KEY_RESPONSES,
    LINES,
    MODEL_RESPONSES,
    MODELS_RESPONSES,
    NAMED_RESPONSES,
    RELOAD_RESPONSES,
)
from api.web.parameters import documented_only

router = APIRouter(dependencies=[Depends(documented_only)])
PAGE = Path(__file__).parent / "page"


ONE_MODEL = "The model that has to be ready. Unset: any."


@router.post(
    "/detect",
    summary="Find the objects in an image",
    response_model=Detections | RoboflowAnswer | list[CocoResult],
    responses=DETECT_RESPONSES,
    openapi_extra={"requestBody": DETECT_REQUEST},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect(request: Request, asked: AskedOnce) -> Response:
    """Send the image as the multipart part `image`, as the raw body, or in JSON as base64. Form fields count as the
    parameters of the address do.

    Boxes are in pixels of the upright image (EXIF orientation applied), clipped to it, the best first. `Accept:
    image/jpeg`, `image/png` or `image/webp`, and nothing else in it, answers with the image and its boxes drawn.
    """
    asker, query = asker_of(request), asked.query
    result = await asked.detector.detect(asked.image, asked.wanted, asker)
    record_of(request.scope).answered(result.answer, result.image.profile_ignored)
    rendering = choose(request.headers.get("accept", ""), query.format)
    drawn = rendering.encoding and await asked.detector.draw(result, rendering.encoding, asker)
    body = drawn or rendering.body(query.image_id, result)
    return Response(body, media_type=rendering.media_type, headers={"Server-Timing": _server_timing(result.answer)})


def _server_timing(answer: Detections) -> str:
    return ", ".join(f"{stage};dur={spent}" for stage, spent in answer.timing_ms)


@router.post(
    PATH,
    summary="Find the objects in several images",
    response_model=BatchAnswer,
    responses=BATCH_RESPONSES,
    openapi_extra={"requestBody": BATCH_REQUEST},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect_batch(request: Request, asked: AskedInBatch) -> Response:
    """Send 1 to 16 images as multipart parts named `image`. Each has an entry in the answer, in order: a result like
    `POST /detect` gives, or a problem of its own; the status is 200 as long as the batch itself could be read.

    `Accept: application/x-ndjson` answers with one entry a line, each as soon as it is known.
    """
    count = len(asked.images)
    await request.app.state.authentication.charge(request, count - 1)
    record = record_of(request.scope)
    record.images = count
    entered = entries(asked.detector, asked.images, asked.wanted, asker_of(request))
    if liked(request.headers.get("accept", ""), ("application/json", LINES)) == LINES:
        lines = (f"{entry.model_dump_json(exclude_unset=True)}\n" async for entry in entered)
        return StreamingResponse(lines, media_type=LINES, headers={"X-Accel-Buffering": "no"})
    answer = BatchAnswer.of(record.request_id, [entry async for entry in entered])
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


@router.get(
    "/models",
    summary="The models, the default first",
    responses=MODELS_RESPONSES,
    dependencies=IDENTIFIED,
    tags=["detection"],
)
async def every_model(settings: CurrentSettings, models: CurrentModels) -> ModelCards:
    """What `GET /model` says, of each."""
    cards = [await _card(settings, detector) for detector in models]
    return ModelCards(models=cards, count=len(cards))


@router.get(
    "/model",
    summary="What the model is, and what may be sent to it",
    responses=MODEL_RESPONSES,
    dependencies=IDENTIFIED,
    tags=["detection"],
)
async def model(settings: CurrentSettings, detector: CurrentDetector) -> ModelCard:
    """Name, labels, input size, limits, formats."""
    return await _card(settings, detector)


async def _card(settings: Settings, detector: Detector) -> ModelCard:
    limits = Limits(max_body_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels, max_side=settings.max_side)
    described = await detector.current()
    return ModelCard(**described.model_dump(), limits=limits, formats=list(settings.formats))


@router.post(
    "/models/{name}/reload",
    summary="Load a model directory again",
    responses=RELOAD_RESPONSES,
    dependencies=ADMINISTERING,
    tags=["operation"],
)
async def reload(settings: CurrentSettings, models: CurrentModels, name: str) -> ModelCard:
    """The embedded endpoint loads what the directory holds now beside what it serves, and then changes over: no request
    is lost. What cannot be served changes nothing. It wants an admin key or, where no keys are set, this machine.
    """
    detector = models.named(name)
    await detector.reload()
    return await _card(settings, detector)


@router.get(
    "/health",
    summary="The gateway's state",
    responses=HEALTH_RESPONSES,
    tags=["health"],
)
async def health(request: Request, response: Response, models: CurrentModels) -> Health:
    """200 when one model at least can answer images, 503 when not; never costs an invocation of an endpoint."""
    states = await models.states(request.app.state.stopping)
    refs = [ModelRef(name=one.name, version=one.version) for one in [await detector.current() for detector in models]]
    is_ready = any(state.ready for state in states)
    response.status_code = 200 if is_ready else 503
    return Health(
        status="ready" if is_ready else "unavailable",
        endpoint=states[0],
        model=refs[0],
        models=[ModelHealth(**dict(ref), endpoint=state) for ref, state in zip(refs, states, strict=True)],
        uptime_seconds=round(time.monotonic() - request.app.state.started, 1),
        version=version("detect-gateway"),
    )


@router.get("/health/live", summary="The process answers", tags=["health"])
async def live() -> Alive:
    """200 as long as the process can answer at all."""
    return Alive()


@router.get(
    "/health/ready",
    summary="Images can be answered",
    responses={503: {"model": Readiness, "description": "Images cannot be answered now"}, **NAMED_RESPONSES},
    tags=["health"],
)
async def ready(
    request: Request,
    response: Response,
    models: CurrentModels,
    model: Annotated[str | None, Query(description=ONE_MODEL)] = None,
) -> Readiness:
    """200 when images can be answered, 503 when not; never costs an invocation of an endpoint."""
    asked = None if model is None else models.named(model)
    states = zip(models, await models.states(request.app.state.stopping), strict=True)
    is_ready = any(state.ready for detector, state in states if asked in (None, detector))
    response.status_code = 200 if is_ready else 503
    return Readiness(status="ready" if is_ready else "unavailable")


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **KEY_RESPONSES},
    dependencies=OVERHEARING,
    tags=["health"],
)
async def metrics(request: Request) -> Response:
    """Open to this machine itself; others need an API key."""
    exposition = await asyncio.to_thread(request.app.state.metrics.exposition)
    return Response(exposition, media_type=EXPOSITION_TYPE)


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The try-it page."""
    return FileResponse(PAGE / "index.html")
