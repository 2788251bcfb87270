"""What `detect-gateway detect` does with the answers: a table, JSON lines, COCO's results, drawn images, a record."""

import json
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.markup import escape
from rich.table import Table

from api.cli.detect_files import Answer
from api.image.decode import Encoding
from api.image.draw import annotate
from api.image.inspection import inspect
from api.render.coco import RESULTS, results
from api.render.marks import marks
from api.schema import CocoResult, Detections, Problem
from api.settings import FORMATS

NO_LIMIT = 1 << 62
ENCODINGS: dict[str, Encoding] = {".png": "png", ".webp": "webp"}


def one_line(image: Path, answer: Answer) -> str:
    """The image's name and the answer as it came, as JSON on one line."""
    return json.dumps({"file": str(image), **answer.model_dump()}) + "\n"


@contextmanager
def recording(record: Path | None) -> Iterator[Callable[[Path, Answer], None]]:
    """Appends each answer that it is told to the record, at once; to nothing where there is none."""
    if record is None:
        yield lambda image, answer: None
        return
    whole = not record.exists() or record.read_bytes()[-1:] in (b"", b"\n")
    with record.open("a") as lines:
        lines.write("" if whole else "\n")
        yield lambda image, answer: _append(lines, one_line(image, answer))


def _append(lines: TextIO, line: str) -> None:
    lines.write(line)
    lines.flush()


def recorded(record: Path) -> Iterator[tuple[Path, Detections]]:
    """What a record of such lines holds, without problems: those images are asked about again."""
    for line in record.read_text().splitlines() if record.exists() else ():
        try:
            answer = json.loads(line)
            yield Path(answer.pop("file")), Detections.model_validate(answer)
        except (ValueError, KeyError):
            continue  # a problem, or the line at which an earlier run was cut off


def table(answers: dict[Path, Answer]) -> Table:
    """One row a box; an image without boxes, or with a problem, has a row that says so."""
    rows = Table("image", "label", "score", "x_min", "y_min", "x_max", "y_max")
    for image, answer in answers.items():
        name = escape(image.name)
        if isinstance(answer, Problem):
            rows.add_row(name, escape(answer.detail))
        elif not answer.detections:
            rows.add_row(name, "nothing found")
        else:
            for one in answer.detections:
                corners = (f"{at:.1f}" for at in (one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max))
                rows.add_row(name, escape(one.label), f"{one.score:.3f}", *corners)
    return rows


def write_coco(answers: dict[Path, Answer], labels: tuple[str, ...], to: Path) -> None:
    """COCO's results of all images, which are numbered as `numbered` says."""
    numbers = numbered(answers)
    found: list[CocoResult] = []
    for image, answer in answers.items():
        if isinstance(answer, Detections):
            found += results(answer.detections, labels, numbers[image])
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_bytes(RESULTS.dump_json(found))


def numbered(images: Iterable[Path]) -> dict[Path, int]:
    """COCO's number of each image: its file's (`000000000139.jpg`) where all have one of their own, else 1, 2, …"""
    stems = {image: image.stem for image in images}
    numbers = {image: int(stem) for image, stem in stems.items() if stem.isascii() and stem.isdecimal()}
    if len(set(numbers.values())) == len(stems):
        return numbers
    return {image: number for number, image in enumerate(stems, start=1)}


def draw_all(answers: dict[Path, Answer], to: Path) -> None:
    """Each image with its boxes, as JPEG or, where the name ends so, PNG or WebP; those with a problem have none."""
    where = _places(list(answers), to)
    found = [(image, answer, where[image]) for image, answer in answers.items() if isinstance(answer, Detections)]
    with ThreadPoolExecutor() as threads:
        for _ in threads.map(_draw, *zip(*found, strict=True)) if found else ():
            pass


def _draw(image: Path, answer: Detections, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    inspected = inspect(image.read_bytes(), FORMATS, NO_LIMIT, NO_LIMIT)
    to.write_bytes(annotate(inspected, marks(answer.detections), ENCODINGS.get(to.suffix.lower(), "jpeg")))


def _places(images: list[Path], to: Path) -> dict[Path, Path]:
    """Where each image is drawn: `to` itself for the only one, else a file in it, named by its path where it must."""
    if len(images) == 1 and not to.is_dir():
        return {images[0]: to}
    names = [image.name for image in images]
    if len(set(names)) < len(names):
        names = ["_".join(image.resolve().parts[1:]) for image in images]
    return {image: to / _drawable(name) for image, name in zip(images, names, strict=True)}


def _drawable(name: str) -> str:
    """A name that says what the file is: what is no PNG or WebP is drawn as JPEG."""
    return name if Path(name).suffix.lower() in {".jpg", ".jpeg", *ENCODINGS} else f"{name}.jpg"
