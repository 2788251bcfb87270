"""DeepStack's dialect, which CodeProject.AI speaks too: for Frigate, Home Assistant, Blue Iris and the like."""

import math
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from api.errors import DetectError, InvalidParameter
from api.models import Models
from api.schema import DeepStackAnswer, Detection, Detections, Parameters, Prediction
from api.telemetry.request_record import record_of
from api.web.authentication import caller_of
from api.web.dependencies import CurrentModels, asker_of
from api.web.openapi import DEEPSTACK_REQUEST, DEEPSTACK_RESPONSES
from api.web.problems import note
from api.web.upload import Form, read_form

router = APIRouter(prefix="/v1/vision", tags=["DeepStack"])

MOST = 20  # Frigate's table of predictions has as many rows
LEAST_CONFIDENCE = 0.4  # where a request names none: CodeProject.AI's default, and what Frigate wants at least
SHAPE: dict[str, Any] = {
    "openapi_extra": {"requestBody": DEEPSTACK_REQUEST},
    "response_model": DeepStackAnswer,
    "responses": DEEPSTACK_RESPONSES,
}


@router.post("/detection", summary="Find the objects in an image, in DeepStack's dialect", **SHAPE)
async def detection(request: Request, models: CurrentModels) -> JSONResponse:
    """Multipart `image`, and `min_confidence` and `api_key` as fields. At most 20 predictions, the surest first."""
    return await _answer(request, models)


@router.post("/custom/{model}", summary="The same for one model by its name", **SHAPE)
async def custom(request: Request, models: CurrentModels, model: str) -> JSONResponse:
    """As `/v1/vision/detection`, of the model that has this name."""
    return await _answer(request, models, model)


async def _answer(request: Request, models: Models, model: str | None = None) -> JSONResponse:
    record = record_of(request.scope)
    try:
        form = await read_form(request)
        await request.app.state.authentication.admit(request, form.fields.get("api_key"))
        detector = models.named(model)
        detector.check_queue(caller_of(request))
        record.model = detector.name
        result = await detector.detect(form.image(), _wanted(form), asker_of(request))
    except DetectError as error:
        note(request, error)
        return _failure(error, record.request_id)
    record.answered(result.answer, result.image.profile_ignored)
    return JSONResponse(_success(result.answer).model_dump(exclude_unset=True))


def _wanted(form: Form) -> Parameters:
    text = form.fields.get("min_confidence") or str(LEAST_CONFIDENCE)
    try:
        least = float(text)
    except ValueError:
        least = math.nan
    if not 0 <= least <= 1:
        raise InvalidParameter("Out of range: min_confidence, which goes from 0 to 1.", parameters=["min_confidence"])
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
