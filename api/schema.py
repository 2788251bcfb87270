"""What we promise in JSON."""

import re
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

TILES = "auto|[1-9][0-9]?x[1-9][0-9]?"  # how tiles are asked for: by a rule, or rows and columns
Score = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Model(BaseModel):
    """A detector: its name, its labels by class id, and its N×N canvas."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    version: str = ""
    labels: tuple[str, ...] = ("person",)
    input_size: int = 512
    fit: Literal["stretch", "pad"] = "stretch"
    min_score: float = 0.5


class ModelRef(BaseModel):
    """The model that made the detections."""

    name: str
    version: str


class ImageInfo(BaseModel):
    """Size of the original image in pixels (EXIF orientation applied), and its format."""

    width: int
    height: int
    format: str


class Box(BaseModel):
    """A bounding box: x_min < x_max and y_min < y_max, clipped to the image."""

    x_min: float
    y_min: float
    x_max: float
    y_max: float


class Detection(BaseModel):
    """One object: `box` in pixels of the original image (EXIF orientation applied), `box_normalized` 0 to 1."""

    label: str
    class_id: int
    score: Score
    box: Box
    box_normalized: Box


class Parameters(BaseModel):
    """The request's parameters, with defaults filled in."""

    min_score: float
    labels: list[str] | None
    max_detections: int
    tiles: str | None = None


class Timing(BaseModel):
    """Milliseconds: decoding and resizing, waiting in the queue, the round trip to the endpoint, total.

    With tiles, of the call that took longest.
    """

    decode: float
    queue: float
    inference: float
    total: float


class Detections(BaseModel):
    """The native response; sorted by score, then class_id. The list is empty if nothing is found.

    `calls` is the number of calls to the endpoint: 1, and one more for each tile.
    """

    request_id: str
    model: ModelRef
    image: ImageInfo
    detections: list[Detection]
    count: int
    calls: int = 1
    parameters: Parameters
    timing_ms: Timing


class CocoResult(BaseModel):
    """One object as in COCO results: `bbox` is x, y, width, height in pixels of the original image."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: Score


class RoboflowImage(BaseModel):
    """Size of the original image (EXIF orientation applied) in pixels."""

    width: int
    height: int


class RoboflowPrediction(BaseModel):
    """One object as in Roboflow's API: `x` and `y` are the box's centre, in pixels of the original image."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    x: float
    y: float
    width: float
    height: float
    confidence: Score
    label: str = Field(alias="class")
    class_id: int
    detection_id: str


class RoboflowAnswer(BaseModel):
    """Roboflow's response, which `supervision.Detections.from_inference` reads; `time` is in seconds."""

    image: RoboflowImage
    predictions: list[RoboflowPrediction]
    time: float
    inference_id: str


class ImageJson(BaseModel):
    """An image in JSON."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(description="The file in base64, with or without `data:image/…;base64,` before it.")


class Problem(BaseModel):
    """An error (RFC 9457); `code` is stable, `retryable` says whether a retry may succeed."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    retryable: bool
    request_id: str


class Prediction(BaseModel):
    """One object as in DeepStack's API: whole pixels of the original image."""

    label: str
    confidence: Score
    x_min: int
    y_min: int
    x_max: int
    y_max: int


class DeepStackAnswer(BaseModel):
    """DeepStack's response with CodeProject.AI's members; `code` is the HTTP status, times are whole milliseconds."""

    success: bool
    message: str
    error: str | None = None
    predictions: list[Prediction]
    count: int
    duration: int
    inferenceMs: int
    processMs: int
    code: int
    request_id: str


class ModelNames(BaseModel):
    """CodeProject.AI's list of custom models."""

    success: bool = True
    models: list[str]
    code: int = 200


class Ping(BaseModel):
    """CodeProject.AI's ping."""

    success: bool = True
    code: int = 200
    hostname: str


class VersionInfo(BaseModel):
    """A version as in CodeProject.AI's API; Blue Iris requires every member."""

    major: int
    minor: int
    patch: int
    preRelease: str = ""
    securityUpdate: bool = False
    build: int = 0
    file: str = ""
    releaseNotes: str = ""

    @classmethod
    def of(cls, version: str) -> Self:
        """The version that three numbers make, whatever follows them."""
        major, minor, patch = (int(number) for number in re.findall(r"\d+", f"{version}.0.0")[:3])
        return cls(major=major, minor=minor, patch=patch)


class Update(BaseModel):
    """CodeProject.AI's update check: never an update."""

    success: bool = True
    updateAvailable: bool = False
    message: str = "This gateway does not look for updates."
    version: VersionInfo
    current: VersionInfo
    latest: VersionInfo
    code: int = 200


class BatchEntry(BaseModel):
    """The result of one image of a batch: `result` if `status` is 200, else `problem`."""

    index: int
    filename: str
    status: int
    result: Detections | None = None
    problem: Problem | None = None


class BatchAnswer(BaseModel):
    """One entry per image, in the order of the request."""

    request_id: str
    entries: list[BatchEntry]
    count: int
    failed: int

    @classmethod
    def of(cls, request_id: str, entries: list[BatchEntry]) -> Self:
        """The answer that holds these entries."""
        failed = sum(entry.problem is not None for entry in entries)
        return cls(request_id=request_id, entries=entries, count=len(entries), failed=failed)


class Limits(BaseModel):
    """The limits of an upload."""

    max_body_bytes: int
    max_pixels: int
    max_side: int


class ModelCard(Model):
    """The model, the limits of an upload, and the supported formats."""

    limits: Limits
    formats: list[str]


class ModelCards(BaseModel):
    """Every model, the default first."""

    models: list[ModelCard]
    count: int


class EndpointState(BaseModel):
    """The endpoint's state, found without invoking it."""

    kind: Literal["embedded", "sagemaker"]
    name: str
    ready: bool
    breaker: Literal["closed", "open", "half-open"] = "closed"
    last_error: str | None = None


class ModelHealth(ModelRef):
    """One model and its endpoint's state."""

    endpoint: EndpointState


class Health(BaseModel):
    """The gateway's state: `ready` if at least one model is; `endpoint` and `model` are the default's."""

    status: Literal["ready", "unavailable"]
    endpoint: EndpointState
    model: ModelRef
    models: list[ModelHealth]
    uptime_seconds: float
    version: str


class Readiness(BaseModel):
    """Whether the model is ready."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ready"}]})

    status: Literal["ready", "unavailable"]


class Alive(BaseModel):
    """The process responds."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "alive"}]})

    status: Literal["alive"] = "alive"
