"""HTTP: parameters in, representation out."""

import asyncio
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Security
from fastapi.responses import FileResponse, Response
from fastapi.security import APIKeyHeader, HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST

from api.detect import Detector
from api.openapi import DETECT_REQUEST, DETECT_RESPONSES, KEY_RESPONSES
from api.render import Format, choose
from api.schema import (
    Alive,
    CocoResult,
    Detections,
    EndpointState,
    Health,
    Limits,
    ModelCard,
    ModelRef,
    Parameters,
    Readiness,
)
from api.settings import Settings
from api.upload import read_upload

router = APIRouter()
PAGE = Path(__file__).parent / "page"


def _detector(request: Request) -> Detector:
    detector: Detector = request.app.state.detector
    return detector


def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _admitted(request: Request) -> None:
    await request.app.state.door.admit(request)


async def _identified(request: Request) -> None:
    await request.app.state.door.identify(request)


async def _overhearing(request: Request) -> None:
    request.app.state.door.overhear(request)


KEYS = [
    Security(APIKeyHeader(name="X-API-Key", scheme_name="X-API-Key", auto_error=False)),
    Security(HTTPBearer(scheme_name="Bearer", auto_error=False)),
]

CurrentDetector = Annotated[Detector, Depends(_detector)]
CurrentSettings = Annotated[Settings, Depends(_settings)]

MIN_SCORE = "Least score of a box, 0.01 to 1. Unset: the model's own, see `GET /model`."
LABELS = "Only boxes with this label; repeat it for several."
MAX_DETECTIONS = "Most boxes, 1 to 100, the best first."
FORMAT = "What to answer with, whatever `Accept` says: `coco` is for pycocotools, the pictures have their boxes drawn."
IMAGE_ID = "The picture's number in COCO's results."


def _parameters(
    detector: CurrentDetector,
    min_score: Annotated[float | None, Query(ge=0.01, le=1, allow_inf_nan=False, description=MIN_SCORE)] = None,
    labels: Annotated[list[str] | None, Query(description=LABELS)] = None,
    max_detections: Annotated[int, Query(ge=1, le=100, description=MAX_DETECTIONS)] = 100,
) -> Parameters:
    least = detector.model.min_score if min_score is None else min_score
    return Parameters(min_score=least, labels=labels, max_detections=max_detections)


@router.post(
    "/detect",
    summary="Find the objects in a picture",
    response_model=Detections | list[CocoResult],
    responses=DETECT_RESPONSES,
    openapi_extra={"requestBody": DETECT_REQUEST},
    dependencies=[*KEYS, Depends(_admitted)],
    tags=["detection"],
)
async def detect(
    request: Request,
    detector: CurrentDetector,
    wanted: Annotated[Parameters, Depends(_parameters)],
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


@router.get(
    "/model",
    summary="What the model is, and what may be sent to it",
    responses=KEY_RESPONSES,
    dependencies=[*KEYS, Depends(_identified)],
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
    dependencies=[*KEYS, Depends(_overhearing)],
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
