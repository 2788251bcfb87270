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
    KEYED,
    LINES,
    MODEL_RESPONSES,
    MODELS_RESPONSES,
    NAMED_RESPONSES,
    RELOAD_RESPONSES,
)
from api.web.parameters import documented_only

router = APIRouter(dependencies=[Depends(documented_only)])
PAGE = Path(__file__).parent / "page"


ONE_MODEL = "Name of the model to check. Default: any."


@router.post(
    "/detect",
    summary="Detect objects in an image",
    response_model=Detections | RoboflowAnswer | list[CocoResult],
    responses=DETECT_RESPONSES,
    openapi_extra={"requestBody": DETECT_REQUEST, **KEYED},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect(request: Request, asked: AskedOnce) -> Response:
    """Send the image as the multipart part `image`, as the raw body, or as base64 in JSON. Parameters may be in the
    query string or in form fields.

    Bounding boxes are in pixels of the original image (EXIF orientation applied), clipped to it, highest score first.
    With `Accept: image/jpeg`, `image/png` or `image/webp` the response is the image with the boxes drawn.
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
    summary="Detect objects in several images",
    response_model=BatchAnswer,
    responses=BATCH_RESPONSES,
    openapi_extra={"requestBody": BATCH_REQUEST, **KEYED},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect_batch(request: Request, asked: AskedInBatch) -> Response:
    """Send 1 to 16 images as multipart parts named `image`. The response has one entry per image, in order: a result
    as of `POST /detect`, or a problem. The status is 200 if the batch itself could be read.

    With `Accept: application/x-ndjson` the response has one entry per line, each as soon as it is ready.
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
    summary="List the models",
    responses=MODELS_RESPONSES,
    dependencies=IDENTIFIED,
    openapi_extra=KEYED,
    tags=["detection"],
)
async def every_model(settings: CurrentSettings, models: CurrentModels) -> ModelCards:
    """The response of `GET /model` for each model, the default first."""
    cards = [await _card(settings, detector) for detector in models]
    return ModelCards(models=cards, count=len(cards))


@router.get(
    "/model",
    summary="Describe the model",
    responses=MODEL_RESPONSES,
    dependencies=IDENTIFIED,
    openapi_extra=KEYED,
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
    summary="Reload a model directory",
    responses=RELOAD_RESPONSES,
    dependencies=ADMINISTERING,
    openapi_extra=KEYED,
    tags=["operation"],
)
async def reload(settings: CurrentSettings, models: CurrentModels, name: str) -> ModelCard:
    """The embedded endpoint loads the directory again, then switches to the new model without dropping a request. If it
    cannot be served, nothing changes. Needs an admin key or, without API keys, a request from the same machine.
    """
    detector = models.named(name)
    await detector.reload()
    return await _card(settings, detector)


@router.get(
    "/health",
    summary="Health of the gateway",
    responses=HEALTH_RESPONSES,
    tags=["health"],
)
async def health(request: Request, response: Response, models: CurrentModels) -> Health:
    """200 if at least one model is ready, else 503. Never invokes an endpoint."""
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


@router.get("/health/live", summary="Liveness probe", tags=["health"])
async def live() -> Alive:
    """200 while the process responds."""
    return Alive()


@router.get(
    "/health/ready",
    summary="Readiness probe",
    responses={503: {"model": Readiness, "description": "The model is not ready"}, **NAMED_RESPONSES},
    tags=["health"],
)
async def ready(
    request: Request,
    response: Response,
    models: CurrentModels,
    model: Annotated[str | None, Query(description=ONE_MODEL)] = None,
) -> Readiness:
    """200 if the model is ready, else 503. Never invokes an endpoint."""
    asked = None if model is None else models.named(model)
    states = zip(models, await models.states(request.app.state.stopping), strict=True)
    is_ready = any(state.ready for detector, state in states if asked in (None, detector))
    response.status_code = 200 if is_ready else 503
    return Readiness(status="ready" if is_ready else "unavailable")


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **KEY_RESPONSES},
    dependencies=OVERHEARING,
    openapi_extra=KEYED,
    tags=["health"],
)
async def metrics(request: Request) -> Response:
    """Open to the gateway's own machine; other clients need an API key."""
    exposition = await asyncio.to_thread(request.app.state.metrics.exposition)
    return Response(exposition, media_type=EXPOSITION_TYPE)


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The try-it page."""
    return FileResponse(PAGE / "index.html")
