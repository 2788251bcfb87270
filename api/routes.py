"""HTTP: parameters in, representation out."""

import asyncio
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import FileResponse, Response

from api.detect import Detector
from api.openapi import DETECT_REQUEST, DETECT_RESPONSES
from api.render import NATIVE, RENDERINGS, choose
from api.schema import Alive, Detections, Health, Limits, ModelCard, ModelRef, Parameters, Readiness
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


CurrentDetector = Annotated[Detector, Depends(_detector)]
CurrentSettings = Annotated[Settings, Depends(_settings)]

MIN_SCORE = "Least score of a box, 0.01 to 1. Unset: the model's own, see `GET /model`."
LABELS = "Only boxes with this label; repeat it for several."
MAX_DETECTIONS = "Most boxes, 1 to 100, the best first."


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
    response_model=Detections,
    responses=DETECT_RESPONSES,
    openapi_extra={"requestBody": DETECT_REQUEST},
    tags=["detection"],
)
async def detect(
    request: Request, detector: CurrentDetector, wanted: Annotated[Parameters, Depends(_parameters)]
) -> Response:
    """Send the picture as the multipart part `image`, or as the raw body with an `image/*` content type.

    Boxes are in pixels of the upright picture (EXIF orientation applied), clipped to it, the best first. `Accept:
    image/jpeg` or `image/png` answers with the picture and its boxes drawn.
    """
    detector.load.admit()
    upload = await read_upload(request)
    found = await detector.detect(upload, wanted, request.state.request_id)
    media_type = choose(request.headers.get("accept", ""))
    rendering = RENDERINGS[media_type]
    body = rendering(found) if media_type == NATIVE else await detector.draw(found, rendering)
    return Response(body, media_type=media_type, headers={"Server-Timing": _server_timing(found.answer)})


def _server_timing(answer: Detections) -> str:
    return ", ".join(f"{stage};dur={spent}" for stage, spent in answer.timing_ms)


@router.get("/model", summary="What the model is, and what may be sent to it", tags=["detection"])
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
    state = await asyncio.to_thread(detector.endpoint.state)
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
async def ready(response: Response, detector: CurrentDetector) -> Readiness:
    """200 when pictures can be answered, 503 when not; never costs an invocation of the endpoint."""
    state = await asyncio.to_thread(detector.endpoint.state)
    response.status_code = 200 if state.ready else 503
    return Readiness(status="ready" if state.ready else "unavailable")


@router.get("/", include_in_schema=False)
async def page() -> FileResponse:
    """The try-it page."""
    return FileResponse(PAGE / "index.html")
