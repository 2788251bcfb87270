"""What routes ask for: the detector, the settings, a caller who may in, the parameters of a detection."""

from typing import Annotated

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.detect import Detector
from api.schema import Parameters
from api.settings import Settings


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
ADMITTED = [*KEYS, Depends(_admitted)]
IDENTIFIED = [*KEYS, Depends(_identified)]
OVERHEARING = [*KEYS, Depends(_overhearing)]

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


Wanted = Annotated[Parameters, Depends(_parameters)]
