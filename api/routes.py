"""HTTP: parameters in, representation out."""

import asyncio
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST

from api.batch import PATH, entries
from api.dependencies import ADMITTED, IDENTIFIED, OVERHEARING, CurrentDetector, CurrentSettings, Wanted
from api.openapi import BATCH_REQUEST, BATCH_RESPONSES, DETECT_REQUEST, DETECT_RESPONSES, KEY_RESPONSES, LINES
from api.render import Format, choose, liked
from api.schema import (
    Alive,
    BatchAnswer,
    CocoResult,
    Detections,
    EndpointState,
    Health,
    Limits,
    ModelCard,
    ModelRef,
    Readiness,
)
from api.upload import read_batch, read_upload

router = APIRouter()
PAGE = Path(__file__).parent / "page"


FORMAT = "What to answer with, whatever `Accept` says: `coco` is for pycocotools, the pictures have their boxes drawn."
IMAGE_ID = "The picture's number in COCO's results."


@router.post(
    "/detect",
    summary="Find the objects in a picture",
    response_model=Detections | list[CocoResult],
    responses=DETECT_RESPONSES,
    openapi_extra={"requestBody": DETECT_REQUEST},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect(
    request: Request,
    detector: CurrentDetector,
    wanted: Wanted,
    format: Annotated[Format | None, Query(description=FORMAT)] = None,
    image_id: Annotated[int, Query(ge=0, lt=2**63, description=IMAGE_ID)] = 0,
) -> Response:
    """Send the picture as the multipart part `image`, as the raw body with an `image/*` type, or in JSON as base64.

    Boxes are in pixels of the upright picture (EXIF orientation applied), clipped to it, the best first. `Accept:
    image/jpeg`, `image/png` or `image/webp` answers with the picture and its boxes drawn.
    """
    upload = await read_upload(request)
    found = replace(await detector.detect(upload, wanted, request.state.request_id), image_id=image_id)
    _tell(request, found.answer)
    rendering = choose(request.headers.get("accept", ""), format)
    body = await detector.draw(found, rendering.body) if rendering.draws else rendering.body(found)
    return Response(body, media_type=rendering.media_type, headers={"Server-Timing": _server_timing(found.answer)})


def _tell(request: Request, answer: Detections) -> None:
    """What the request's log line says of it."""
    request.state.picture = answer.image.model_dump()
    request.state.detections = answer.count
    request.state.timing_ms = answer.timing_ms.model_dump()


def _server_timing(answer: Detections) -> str:
    return ", ".join(f"{stage};dur={spent}" for stage, spent in answer.timing_ms)


@router.post(
    PATH,
    summary="Find the objects in several pictures",
    response_model=BatchAnswer,
    responses=BATCH_RESPONSES,
    openapi_extra={"requestBody": BATCH_REQUEST},
    dependencies=ADMITTED,
    tags=["detection"],
)
async def detect_batch(request: Request, detector: CurrentDetector, wanted: Wanted) -> Response:
    """Send 1 to 16 pictures as multipart parts named `image`. Each has an entry in the answer, in order: a result like
    `POST /detect` gives, or a problem of its own; the status is 200 as long as the batch itself could be read.

    `Accept: application/x-ndjson` answers with one entry a line, each as soon as it is known.
    """
    pictures = await read_batch(request)
    await request.app.state.door.charge(request, len(pictures) - 1)
    request.state.pictures, request_id = len(pictures), request.state.request_id
    entered = entries(detector, pictures, wanted, request_id)
    if liked(request.headers.get("accept", ""), ("application/json", LINES)) == LINES:
        lines = (f"{entry.model_dump_json(exclude_unset=True)}\n" async for entry in entered)
        return StreamingResponse(lines, media_type=LINES, headers={"X-Accel-Buffering": "no"})
    answer = BatchAnswer.of(request_id, [entry async for entry in entered])
    return Response(answer.model_dump_json(exclude_unset=True), media_type="application/json")


@router.get(
    "/model",
    summary="What the model is, and what may be sent to it",
    responses=KEY_RESPONSES,
    dependencies=IDENTIFIED,
    tags=["detection"],
)
async def model(settings: CurrentSettings, detector: CurrentDetector) -> ModelCard:
    """Name, labels, input size, limits, formats."""
    limits = Limits(max_body_bytes=settings.max_body_bytes, max_pixels=settings.max_pixels, max_side=settings.max_side)
    return ModelCard(**detector.model.model_dump(), limits=limits, formats=list(settings.formats))


@router.get(
    "/health",
    summary="The gateway's state",
    responses={503: {"model": Health, "description": "Pictures cannot be answered now"}},
    tags=["health"],
)
async def health(request: Request, response: Response, detector: CurrentDetector) -> Health:
    """200 when pictures can be answered, 503 when not; never costs an invocation of the endpoint."""
    state = await _state(request)
    response.status_code = 200 if state.ready else 503
    return Health(
        status="ready" if state.ready else "unavailable",
        endpoint=state,
        model=ModelRef(name=detector.model.name, version=detector.model.version),
        uptime_seconds=round(time.monotonic() - request.app.state.started, 1),
        version=version("detect-gateway"),
    )


@router.get("/health/live", summary="The process answers", tags=["health"])
async def live() -> Alive:
    """200 as long as the process can answer at all."""
    return Alive()


@router.get(
    "/health/ready",
    summary="Pictures can be answered",
    responses={503: {"model": Readiness, "description": "Pictures cannot be answered now"}},
    tags=["health"],
)
async def ready(request: Request, response: Response) -> Readiness:
    """200 when pictures can be answered, 503 when not; never costs an invocation of the endpoint."""
    state = await _state(request)
    response.status_code = 200 if state.ready else 503
    return Readiness(status="ready" if state.ready else "unavailable")


async def _state(request: Request) -> EndpointState:
    """The endpoint's state; a gateway that is stopping is not ready whatever its endpoint says."""
    state: EndpointState = await asyncio.to_thread(request.app.state.detector.endpoint.state)
    return state.model_copy(update={"ready": False}) if request.app.state.stopping else state


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
    return Response(exposition, media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The try-it page."""
    return FileResponse(PAGE / "index.html")
