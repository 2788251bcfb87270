"""Posts a real image and looks at the answer: InService proves nothing.

The image in smoke.jpg is a portrait of Grace Hopper by the US Navy, in the public domain.
"""

import base64
import io
import json
import math
import statistics
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from deploy import logs
from deploy.aws import Aws, call, until_visible
from deploy.diagnose import UNKNOWN, likely_cause
from deploy.errors import AwsRefused, Refused, SmokeFailed
from deploy.targets import Target

IMAGE = Path(__file__).parent / "smoke.jpg"
ROWS = 100
SURE = 0.5  # a detector may place anywhere what it does not believe in


@dataclass(frozen=True)
class Question:
    """What to post, how often, and what to expect; times in milliseconds."""

    image: Path = IMAGE
    short: int = 512
    requests: int = 5
    min_score: float = 0.5
    min_boxes: int = 0
    max_latency_ms: float | None = None


@dataclass(frozen=True)
class Smoke:
    """What came back. `boxes` are x_min, y_min, x_max, y_max in the N×N canvas; the first request may be a cold one."""

    target: str
    shape: list[int]
    boxes: list[list[float]]
    scores: list[float]
    first_ms: float
    latency_ms: float
    images_per_second: float
    bytes_per_image: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For --json, and for `cost --bench`."""
        return asdict(self)


def smoke(aws: Aws, endpoint: str, target: Target, question: Question) -> Smoke:
    """Asks the endpoint several times, one after the other. Raises SmokeFailed with the end of the log."""
    body = request_body(question)
    if len(body) > target.payload_limit:
        raise Refused(
            f"The request has {len(body)} bytes, and SageMaker takes {target.payload_limit} for {target.title}.",
            hint="Choose a smaller --short.",
        )
    try:
        return asked(aws, endpoint, target, question, body)
    except AwsRefused as error:
        raise failed(aws, endpoint, [str(error)]) from error


def asked(aws: Aws, endpoint: str, target: Target, question: Question, body: bytes) -> Smoke:
    """The measured answer. Raises SmokeFailed, AwsRefused."""
    first_ms, answer = until_visible(aws, lambda: timed(aws, endpoint, body), "smoke")
    problems = faults(answer, question.short)
    if problems:
        raise failed(aws, endpoint, problems)
    times = [timed(aws, endpoint, body)[0] for _ in range(question.requests)]
    moved = len(body) + len(json.dumps(answer))
    result = replace(summary(target, question, answer, [first_ms, *times]), bytes_per_image=moved)
    problems = disappointments(result, question)
    if problems:
        raise failed(aws, endpoint, problems)
    aws.report(f"smoke: {len(result.boxes)} boxes, {result.latency_ms:.0f} ms", done=1.0)
    return result


def summary(target: Target, question: Question, answer: Any, times: list[float]) -> Smoke:
    """What a good answer holds; the first of the times may be a cold start's, and counts only where it is alone."""
    latency = statistics.median(times[1:] or times)
    kept = [row for row, (score,) in enumerate(answer["score"]) if score >= question.min_score]
    return Smoke(
        target=target.name,
        shape=answer["shape"],
        boxes=[answer["bbox"][row] for row in kept],
        scores=[answer["score"][row][0] for row in kept],
        first_ms=round(times[0], 1),
        latency_ms=round(latency, 1),
        images_per_second=round(1000 / latency, 2),
    )


def failed(aws: Aws, endpoint: str, problems: list[str]) -> SmokeFailed:
    """The error for an endpoint that does not answer as it should."""
    error = SmokeFailed(
        f"The endpoint {endpoint} is in service and does not answer as it should: {'; '.join(problems)}."
    )
    error.log = logs.tail(aws, endpoint)
    cause = likely_cause("; ".join(problems), error.log)
    error.hint = "" if cause == UNKNOWN else f"Likely cause: {cause}"
    return error


def disappointments(result: Smoke, question: Question) -> list[str]:
    """What the operator asked for and did not get."""
    found = []
    if len(result.boxes) < question.min_boxes:
        found.append(
            f"{len(result.boxes)} boxes of score {question.min_score:g} or more, expected {question.min_boxes}"
        )
    if question.max_latency_ms is not None and result.latency_ms > question.max_latency_ms:
        found.append(f"{result.latency_ms:.0f} ms an image, at most {question.max_latency_ms:.0f} allowed")
    return found


def request_body(question: Question) -> bytes:
    """The image as the gateway would send it: stretched to N×N, JPEG, base64 in JSON. Raises Refused."""
    side = question.short
    try:
        with Image.open(question.image) as image:
            canvas = image.convert("RGB").resize((side, side))
    except (OSError, UnidentifiedImageError) as error:
        raise Refused(f"{question.image} is no image that can be read.", hint="Give a JPEG or PNG.") from error
    jpeg = io.BytesIO()
    canvas.save(jpeg, "JPEG", quality=90)
    return json.dumps({"image": base64.b64encode(jpeg.getvalue()).decode(), "short": side}).encode()


def timed(aws: Aws, endpoint: str, body: bytes) -> tuple[float, Any]:
    """Milliseconds and the answer's JSON; None for what is no JSON."""
    started = time.perf_counter()
    answer = call(
        aws.runtime.invoke_endpoint,
        EndpointName=endpoint,
        ContentType="application/json",
        Accept="application/json",
        Body=body,
    )
    text = call(answer["Body"].read)
    passed = (time.perf_counter() - started) * 1000
    try:
        return passed, json.loads(text)
    except ValueError:
        return passed, None


def faults(answer: Any, side: int) -> list[str]:
    """What is wrong with an answer: shape, rows, numbers, order, boxes. Empty for one that keeps the contract."""
    if not isinstance(answer, dict) or not {"shape", "cid", "score", "bbox"} <= answer.keys():
        return ["the answer is no JSON with shape, cid, score and bbox"]
    if answer["shape"] != [1, 3, side, side]:
        return [f"the shape is {answer['shape']}, not [1, 3, {side}, {side}]"]
    for name, width in (("cid", 1), ("score", 1), ("bbox", 4)):
        if not is_table(answer[name], width):
            return [f"{name} is not {ROWS} rows of {width} numbers"]
    scores = [score for (score,) in answer["score"]]
    if scores != sorted(scores, reverse=True):
        return ["the rows are not sorted by score"]
    used = [
        (box, score) for box, (kind,), score in zip(answer["bbox"], answer["cid"], scores, strict=True) if kind >= 0
    ]
    if not all(is_ordered(box) for box, _ in used):
        return ["a box has its corners in the wrong order"]
    sure = [box for box, score in used if score >= SURE]
    return [] if all(touches(box, side) for box in sure) else ["a box lies outside the image"]


def is_table(rows: Any, width: int) -> bool:
    """Whether it is a hundred rows of that many finite numbers."""
    return (
        isinstance(rows, list)
        and len(rows) == ROWS
        and all(isinstance(row, list) and len(row) == width and all(map(is_number, row)) for row in rows)
    )


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_ordered(box: list[float]) -> bool:
    """Whether a box's corners are in order."""
    return box[0] <= box[2] and box[1] <= box[3]


def touches(box: list[float], side: int) -> bool:
    """Whether a box touches the canvas; SSD's boxes may stick out of it."""
    return box[0] < side and box[1] < side and box[2] > 0 and box[3] > 0
