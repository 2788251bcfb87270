"""DeepStack's dialect, and CodeProject.AI's: for Frigate, Home Assistant, Blue Iris and the like."""

import math
import socket
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.errors import DetectError, InvalidParameter
from api.models import Models
from api.schema import (
    DeepStackAnswer,
    Detection,
    Detections,
    ModelNames,
    Parameters,
    Ping,
    Prediction,
    Update,
    VersionInfo,
)
from api.telemetry.request_record import record_of
from api.web.authentication import caller_of
from api.web.dependencies import CurrentModels, asker_of, chosen
from api.web.openapi import DEEPSTACK_REQUEST, DEEPSTACK_RESPONSES
from api.web.problems import Dialect, path_of
from api.web.upload import FORM, Form, content_type, read_form

router = APIRouter(prefix="/v1", tags=["DeepStack"])

MOST = 20  # Frigate's table of predictions has as many rows
LEAST_CONFIDENCE = 0.4  # where a request names none: CodeProject.AI's default, and the minimum that Frigate uses
SHAPE: dict[str, Any] = {
    "openapi_extra": {"requestBody": DEEPSTACK_REQUEST},
    "response_model": DeepStackAnswer,
    "responses": DEEPSTACK_RESPONSES,
}


@router.post("/vision/detection", summary="Detect objects (DeepStack API)", **SHAPE)
async def detection(request: Request, models: CurrentModels) -> JSONResponse:
    """Multipart `image`, and `min_confidence` and `api_key` as fields. At most 20 predictions, highest score first."""
    return await _answer(request, models)


@router.post("/vision/custom/list", include_in_schema=False)
@router.get("/vision/custom/list", summary="List the models (CodeProject.AI API)", responses=DEEPSTACK_RESPONSES)
async def names(request: Request, models: CurrentModels) -> ModelNames:
    """The names for `/v1/vision/custom/{model}`."""
    form = await read_form(request) if content_type(request) == FORM else Form([], [])
    await request.app.state.authentication.admit(request, _given(request, form).get("api_key"))
    return ModelNames(models=[one.name for one in models])


@router.post("/vision/custom/{model}", summary="Detect objects with a named model (DeepStack API)", **SHAPE)
async def custom(request: Request, models: CurrentModels, model: str) -> JSONResponse:
    """As `/v1/vision/detection`, with the model of this name."""
    return await _answer(request, models, model)


@router.get("/server/status/ping", summary="Ping (CodeProject.AI API)")
async def ping() -> Ping:
    """Responds while the gateway runs."""
    return Ping(hostname=socket.gethostname())


@router.get("/status/updateavailable", summary="Update check (CodeProject.AI API)")
async def update() -> Update:
    """Always without an update. Blue Iris calls a server without this response unavailable."""
    running = VersionInfo.of(version("detect-gateway"))
    return Update(version=running, current=running, latest=running)


async def _answer(request: Request, models: Models, model: str | None = None) -> JSONResponse:
    form = await read_form(request)
    given = _given(request, form)
    await request.app.state.authentication.admit(request, given.get("api_key"))
    detector = chosen(request, models, model)
    detector.check_queue(caller_of(request))
    result = await detector.detect(form.image(), _wanted(given), asker_of(request))
    record_of(request.scope).answered(result.answer, result.image.profile_ignored)
    return JSONResponse(_success(result.answer).model_dump(exclude_unset=True))


def _given(request: Request, form: Form) -> dict[str, str]:
    """The parameters, of the address or of the form."""
    return {**request.query_params, **dict(form.fields)}


def _wanted(given: dict[str, str]) -> Parameters:
    text = given.get("min_confidence") or str(LEAST_CONFIDENCE)
    try:
        least = float(text)
    except ValueError:
        least = math.nan
    if not 0 <= least <= 1:
        raise InvalidParameter("Out of range: min_confidence must be between 0 and 1.", parameters=["min_confidence"])
    return Parameters(min_score=max(least, 0.01), labels=None, max_detections=MOST)


def _success(answer: Detections) -> DeepStackAnswer:
    count, timing = answer.count, answer.timing_ms
    return DeepStackAnswer(
        success=True,
        message=f"Found {count} object{'' if count == 1 else 's'}",
        predictions=[_prediction(one) for one in answer.detections],
        count=count,
        duration=round(timing.total),
        inferenceMs=round(timing.inference),
        processMs=round(timing.total),
        code=200,
        request_id=answer.request_id,
    )


def _prediction(one: Detection) -> Prediction:
    """Whole pixels, around the box: what is there is never empty."""
    box = one.box
    return Prediction(
        label=one.label,
        confidence=one.score,
        x_min=math.floor(box.x_min),
        y_min=math.floor(box.y_min),
        x_max=math.ceil(box.x_max),
        y_max=math.ceil(box.y_max),
    )


def _failure(error: DetectError, request_id: str) -> JSONResponse:
    """DeepStack's clients look for `success` and `error`, and for the status."""
    words = f"{error.title}. {error.detail}"
    told = DeepStackAnswer(
        success=False,
        error=words,
        message=words,
        predictions=[],
        count=0,
        duration=0,
        inferenceMs=0,
        processMs=0,
        code=error.status,
        request_id=request_id,
    )
    return JSONResponse(told.model_dump(exclude_unset=True), error.status, headers=error.headers)


DIALECT = Dialect(lambda request: path_of(request).startswith("/v1/"), _failure)
