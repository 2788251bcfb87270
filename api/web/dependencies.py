"""What routes ask for: the models, the one that is meant, the settings, a caller who may in, the parameters."""

import time
from typing import Annotated

from fastapi import Depends, Query, Request, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from api.detect import Asker, Detector
from api.models import Models
from api.schema import Parameters
from api.settings import Settings
from api.telemetry.request_record import record_of
from api.web.authentication import caller_of

MODEL = "The model to ask; `GET /models` lists them. Unset: the first."


async def _models(request: Request) -> Models:
    models: Models = request.app.state.models
    return models


CurrentModels = Annotated[Models, Depends(_models)]


async def _detector(
    request: Request, models: CurrentModels, model: Annotated[str | None, Query(description=MODEL)] = None
) -> Detector:
    detector = models.named(model)
    record_of(request.scope).model = detector.name
    return detector


CurrentDetector = Annotated[Detector, Depends(_detector)]


async def _settings(request: Request) -> Settings:
    settings: Settings = request.app.state.settings
    return settings


async def _admitted(request: Request) -> None:
    await request.app.state.authentication.admit(request)


async def _queued(request: Request, detector: CurrentDetector) -> None:
    detector.check_queue(caller_of(request))


async def _identified(request: Request) -> None:
    await request.app.state.authentication.identify(request)


async def _overhearing(request: Request) -> None:
    await request.app.state.authentication.overhear(request)


async def _administering(request: Request) -> None:
    await request.app.state.authentication.administer(request)


KEYS = [
    Security(APIKeyHeader(name="X-API-Key", scheme_name="X-API-Key", auto_error=False)),
    Security(HTTPBearer(scheme_name="Bearer", auto_error=False)),
]
ADMITTED = [*KEYS, Depends(_admitted), Depends(_queued)]
IDENTIFIED = [*KEYS, Depends(_identified)]
OVERHEARING = [*KEYS, Depends(_overhearing)]
ADMINISTERING = [*KEYS, Depends(_administering)]

CurrentSettings = Annotated[Settings, Depends(_settings)]


def asker_of(request: Request) -> Asker:
    """Who asks, with the time for the answer counted from now on: the body is in."""
    seconds = request.app.state.settings.deadline_seconds
    return Asker(caller_of(request), record_of(request.scope).request_id, time.monotonic() + seconds)


MIN_SCORE = "Least score of a box, 0.01 to 1. Unset: the model's own, see `GET /model`."
LABELS = "Only boxes with this label; repeat it for several."
MAX_DETECTIONS = "Most boxes, 1 to 100, the best first."


async def _parameters(
    detector: CurrentDetector,
    min_score: Annotated[float | None, Query(ge=0.01, le=1, allow_inf_nan=False, description=MIN_SCORE)] = None,
    labels: Annotated[list[str] | None, Query(description=LABELS)] = None,
    max_detections: Annotated[int, Query(ge=1, le=100, description=MAX_DETECTIONS)] = 100,
) -> Parameters:
    least = detector.model.min_score if min_score is None else min_score
    return Parameters(min_score=least, labels=labels, max_detections=max_detections)


Wanted = Annotated[Parameters, Depends(_parameters)]
