"""What `detect-gateway detect` does with the answers, one after the other: lines, tables, COCO's results, a summary."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.table import Table
from rich.text import Text

from api.cli.console import out, printable, screen
from api.cli.images import Found
from api.cli.record import Answer, one_line, write_all
from api.render.coco import RESULTS, results
from api.schema import Detections, Problem

TABLE_IMAGES = 100  # images of one table, so that memory does not grow with the images


class Outcome(NamedTuple):
    """What became of one image: its number from 1, its file, the answer, and the labels of the model."""

    number: int
    file: str
    answer: Answer
    labels: tuple[str, ...]


Output = Callable[[Outcome], None]


@contextmanager
def lines() -> Iterator[Output]:
    """Prints native answers, one a line."""

    def tell(outcome: Outcome) -> None:
        screen.write(one_line(outcome.file, outcome.answer))

    yield tell


@contextmanager
def tables() -> Iterator[Output]:
    """Prints one row a box, a table for each TABLE_IMAGES images."""
    waiting: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        waiting.append(outcome)
        if len(waiting) == TABLE_IMAGES:
            out.print(_table(waiting))
            waiting.clear()

    try:
        yield tell
    finally:
        if waiting:
            out.print(_table(waiting))


def _table(outcomes: list[Outcome]) -> Table:
    """An image without boxes, or with a problem, has a row that says so."""
    table = Table("image", "label", "score", "x_min", "y_min", "x_max", "y_max")
    for outcome in outcomes:
        name = Text(printable(os.path.basename(outcome.file)))
        if isinstance(outcome.answer, Problem):
            table.add_row(name, Text(printable(outcome.answer.detail)))
        elif not outcome.answer.detections:
            table.add_row(name, "nothing found")
        else:
            for one in outcome.answer.detections:
                corners = (f"{at:.1f}" for at in (one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max))
                table.add_row(name, Text(printable(one.label)), f"{one.score:.3f}", *corners)
    return table


@contextmanager
def coco_results(place: Path, files: list[str]) -> Iterator[Output]:
    """Writes COCO's results; the file is there, in the place of an older one, when all are. Raises OSError."""
    numbered, separator = _all_numbered(files), b""
    with _written(place) as write:
        write(b"[")

        def tell(outcome: Outcome) -> None:
            nonlocal separator
            if isinstance(outcome.answer, Detections) and outcome.answer.detections:
                number = int(Path(outcome.file).stem) if numbered else outcome.number
                found = results(outcome.answer.detections, outcome.labels, number)
                write(separator + RESULTS.dump_json(found)[1:-1])
                separator = b","

        yield tell
        write(b"]")


def _all_numbered(files: list[str]) -> bool:
    """Whether each file has a number of its own for a name, as COCO's have (`000000000139.jpg`)."""
    numbers = set[int]()
    for stem in (Path(file).stem for file in files):
        if not (stem.isascii() and stem.isdecimal()):
            return False
        numbers.add(int(stem))
    return len(numbers) == len(files)


@contextmanager
def _written(place: Path) -> Iterator[Callable[[bytes], None]]:
    """Writes beside a file and takes its place at the end; pipes and devices are written directly."""
    place.parent.mkdir(parents=True, exist_ok=True)
    direct = place.exists() and not place.is_file()
    whole = place if direct else Path(os.path.realpath(place))
    part = place if direct else whole.with_name(f"{whole.name}.part")
    try:
        with part.open("wb", buffering=0) as file:
            yield lambda data: write_all(file, data, part)
        if not direct:
            part.replace(whole)
    finally:
        if not direct:
            part.unlink(missing_ok=True)


def refuse_overwriting(files: list[str], outputs: Iterator[Path]) -> None:
    """Raises ValueError where an output is one of the images, by whatever name or link."""
    images: dict[tuple[int, int], str] = {}
    for output in outputs:
        if not output.exists():
            continue
        images = images or {_identity(file): file for file in files if os.path.exists(file)}
        if image := images.get(_identity(output)):
            raise ValueError(f"{output} is {image}, one of the images: name a place outside the folders that are read")


def _identity(file: str | Path) -> tuple[int, int]:
    about = os.stat(file)
    return about.st_dev, about.st_ino


class Tally:
    """Counts what became of the images, for the summary."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self.images = self.with_objects = self.objects = self.problems = self.recorded = 0
        self.not_drawn = 0
        self.first_not_drawn = ""

    def __call__(self, outcome: Outcome) -> None:
        self.images += 1
        if isinstance(outcome.answer, Problem):
            self.problems += 1
        else:
            self.objects += outcome.answer.count
            self.with_objects += outcome.answer.count > 0

    def summary(self, found: Found, places: dict[str, object]) -> Iterator[str]:
        """How many images in what time, what was left out, where the files are."""
        seconds = time.monotonic() - self._begun
        objects = (
            f"{_count(self.objects, 'object')} in {_count(self.with_objects, 'image')}"
            if self.objects
            else "nothing found"
        )
        problems = f", {_count(self.problems, 'image')} with a problem" if self.problems else ""
        yield f"{_count(self.images, 'image')} in {seconds:.1f} s: {objects}{problems}."
        if self.recorded:
            yield f"{_count(self.recorded, 'answer')} from an earlier run."
        if found.skipped:
            yield f"{_count(found.skipped, 'file')} skipped: no images."
        for folder in found.unreadable:
            yield f"Folder not read: {printable(folder)}."
        if self.not_drawn:
            yield f"{_count(self.not_drawn, 'image')} not drawn, the first: {printable(self.first_not_drawn)}"
        for what, place in places.items():
            if place is not None:
                yield f"{what}: {printable(place)}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
