"""A shard's index and SageMaker's answers → one row for each file, with boxes in pixels of the original image."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from api.endpoint.contract import EndpointAnswer
from api.errors import EndpointAnswerInvalid, EndpointFailed
from api.image.fit import FITS
from api.render.coco import RESULTS, results
from api.render.detections import detections_of
from api.schema import Detection, ImageInfo, Model, Parameters
from deploy.batch.place import Place
from deploy.errors import TransformFailed

MOST_ROWS = 100


@dataclass(frozen=True)
class Row:
    """What became of a file: the image and its detections, or a problem. `number` counts the files from 1."""

    number: int
    name: str
    image: ImageInfo | None = None
    detections: tuple[Detection, ...] = ()
    problem: dict[str, Any] | None = None

    def as_line(self, model: Model) -> bytes:
        """The row as JSON: the native response's keys, beside the file's name."""
        if self.image is None:
            return line({"file": self.name, "problem": self.problem})
        found = [one.model_dump() for one in self.detections]
        about = {"image": self.image.model_dump(), "model": {"name": model.name, "version": model.version}}
        return line({"file": self.name, **about, "detections": found, "count": len(found)})

    def as_coco(self, model: Model, numbered: bool) -> bytes:
        """The row's detections as COCO's results, without the brackets; `numbered` takes the id from the name."""
        image_id = int(self.name.rsplit("/", 1)[-1].split(".")[0]) if numbered else self.number
        return RESULTS.dump_json(results(list(self.detections), model.labels, image_id))[1:-1]


def line(content: Any) -> bytes:
    """JSON on one line, its end included."""
    return json.dumps(content).encode() + b"\n"


@dataclass(frozen=True)
class Reader:
    """Reads a job's answers for one model; boxes under `min_score` are left out."""

    place: Place
    model: Model
    min_score: float

    def shards(self) -> Iterator[tuple[str, list[Row]]]:
        """Each shard and its rows, one shard in memory. Raises TransformFailed where answers are missing."""
        number = 1
        for shard in self.place.listed("index"):
            entries = [json.loads(entry) for entry in self.place.get("index", shard)]
            yield shard, list(self.rows(shard, entries, number))
            number += len(entries)

    def rows(self, shard: str, entries: list[Any], number: int) -> Iterator[Row]:
        """The rows of a shard, numbered from `number`."""
        sent = sum("image" in entry for entry in entries)
        answers = self.place.get("answers", shard) if sent else []
        if len(answers) != sent:
            raise TransformFailed(
                f"SageMaker answered {len(answers)} of the {sent} lines of shard {shard}.",
                hint="`detect-deploy batch --abandon` deletes what the job made; then start it anew.",
            )
        left = iter(answers)
        for at, entry in enumerate(entries, number):
            if "image" in entry:
                yield self.row(at, entry["name"], ImageInfo(**entry["image"]), next(left))
            else:
                yield Row(at, entry["name"], problem=entry["problem"])

    def row(self, number: int, name: str, image: ImageInfo, answer: bytes) -> Row:
        """An image's row; what the model said of it instead of boxes is its problem."""
        fit = FITS[self.model.fit](image.width, image.height, self.model.input_size)
        wanted = Parameters(min_score=self.min_score, labels=None, max_detections=MOST_ROWS)
        try:
            seen = (EndpointAnswer.model_validate_json(answer), fit)
            found = detections_of([seen], self.model, wanted)
        except (ValidationError, EndpointAnswerInvalid):
            return Row(number, name, problem=failure(answer))
        return Row(number, name, image, tuple(found))


def failure(answer: bytes) -> dict[str, Any]:
    """The problem that an answer tells of, else that it is none."""
    try:
        detail = str(json.loads(answer)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = "The model's answer breaks the contract."
        return {"code": EndpointAnswerInvalid.code, "title": EndpointAnswerInvalid.title, "detail": detail}
    return {"code": EndpointFailed.code, "title": EndpointFailed.title, "detail": detail}
