"""The parameters of a detection, from the address and from the form alike; what is unknown is named, not ignored."""

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import ImmutableMultiDict

from api.detect import Detector
from api.errors import InvalidParameter
from api.render.formats import Format
from api.schema import TILES, Parameters
from api.web.upload import PARTS, Fields

MODEL = "Name of the model; `GET /models` lists them. Default: the first."
MIN_SCORE = "Confidence threshold, 0.01 to 1. Default: the model's own, see `GET /model`."
LABELS = "Only detections with this label; repeat it for several."
MAX_DETECTIONS = "Maximum number of detections, 1 to 100, highest score first."
FORMAT = (
    "Response format, overrides `Accept`: `coco` is for pycocotools, `roboflow` for supervision; `jpeg`, `png` and "
    "`webp` are the image with its bounding boxes drawn."
)
IMAGE_ID = "Image id in COCO results."
IN_TILES = (
    "Overlapping tiles, for objects that are small in the image: `auto`, or rows and columns such as `2x3`. Each is a "
    "call to the endpoint, besides that of the whole image."
)


class BatchQuery(BaseModel):
    """What the images of a request are asked about."""

    model: str | None = Field(None, description=MODEL)
    min_score: Annotated[float, Field(ge=0.01, le=1, allow_inf_nan=False)] | None = Field(None, description=MIN_SCORE)
    labels: list[str] | None = Field(None, description=LABELS)
    max_detections: int = Field(100, ge=1, le=100, description=MAX_DETECTIONS)

    def wanted(self, detector: Detector) -> Parameters:
        """The same with this model's defaults."""
        least = detector.model.min_score if self.min_score is None else self.min_score
        return Parameters(min_score=least, labels=self.labels, max_detections=self.max_detections, tiles=None)


class DetectQuery(BatchQuery):
    """The same, and how one image is answered."""

    format: Format | None = Field(None, description=FORMAT)
    image_id: int = Field(0, ge=0, lt=2**63, description=IMAGE_ID)
    tiles: str | None = Field(None, pattern=f"^({TILES})$", description=IN_TILES)

    def wanted(self, detector: Detector) -> Parameters:
        """The same, and the tiles."""
        return super().wanted(detector).model_copy(update={"tiles": self.tiles})


Query = TypeVar("Query", bound=BatchQuery)


def with_fields(query: Query, fields: Fields) -> Query:
    """The parameters of the address and, over them, those of the form; a field that is left empty is none.

    Raises InvalidParameter, RequestValidationError.
    """
    if not fields:
        return query
    filled = ImmutableMultiDict([(name, value) for name, value in fields if value and name not in PARTS])
    known = type(query).model_fields
    refuse_unknown(filled, known)
    given = {name: filled.getlist(name) if name == "labels" else filled[name] for name in filled}
    try:
        return type(query).model_validate(query.model_dump(exclude_unset=True) | given)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error


async def documented_only(request: Request) -> None:
    """Refuse what /openapi.json does not name for this path, where it names any. Raises InvalidParameter."""
    if request.query_params:
        known = _documented(request.app, request.scope["route"].path, request.method.lower())
        refuse_unknown(request.query_params, known or request.query_params)


@lru_cache
def _documented(app: FastAPI, path: str, method: str) -> tuple[str, ...]:
    operation = app.openapi()["paths"].get(path, {}).get(method, {})
    return tuple(one["name"] for one in operation.get("parameters", ()) if one["in"] == "query")


def refuse_unknown(names: Iterable[str], known: Iterable[str]) -> None:
    """Name what is unknown, and what may have been meant. Raises InvalidParameter."""
    known = list(known)
    if unknown := [name for name in names if name not in known]:
        near = get_close_matches(unknown[0].lower(), known, 1, cutoff=0.5)
        hint = f"Did you mean {near[0]}?" if near else f"Parameters: {', '.join(known)}."
        raise InvalidParameter(f"Unknown parameter {unknown[0]!r}. {hint}", parameters=unknown)
