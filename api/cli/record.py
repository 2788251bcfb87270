"""The record of answers that `detect-gateway detect --save` keeps, and goes on from."""

import json
import os
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Self

from api.schema import Detections, Problem

Answer = Detections | Problem
BEGINS = b'{"file": '


def one_line(file: str, answer: Answer) -> str:
    """The image's name and the answer as it came, as JSON on one line."""
    return json.dumps({"file": file, **answer.model_dump()}) + "\n"


def write_all(file: FileIO, data: bytes, place: Path) -> None:
    """Write to an unbuffered file. Raises OSError that names the place, a full disk's too."""
    try:
        if (written := file.write(data)) < len(data):
            file.write(data[written:])
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(place)) from error


class Record:
    """Lines of a file, each written as soon as its answer is there; of an earlier run only the places are in memory.

    Raises ValueError where the file is something else, and OSError where it cannot be written.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        place.parent.mkdir(parents=True, exist_ok=True)
        if place.exists() and not place.is_file():
            raise ValueError(f"{place} is not a regular file")
        with place.open("a+b") as file:
            file.seek(0)
            if not BEGINS.startswith(file.read(len(BEGINS))):
                raise ValueError(f"{place} does not contain saved responses")
            self._offsets = _offsets(place)
            file.seek(max(0, file.seek(0, os.SEEK_END) - 1))
            whole = file.read(1) in (b"", b"\n")
        self._reading, self._writing = place.open("rb"), place.open("ab", buffering=0)
        self._writing.write(b"" if whole else b"\n")

    def answer(self, file: str) -> Detections | None:
        """What an earlier run was told about this image."""
        if (offset := self._offsets.get(file)) is None:
            return None
        self._reading.seek(offset)
        return Detections.model_validate(json.loads(self._reading.readline()))  # strict JSON has no odd names

    def keep(self, file: str, answer: Answer) -> None:
        """Write an answer down, at once. Raises OSError."""
        write_all(self._writing, one_line(file, answer).encode(), self.place)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()
        self._writing.close()


def _offsets(place: Path) -> dict[str, int]:
    """Where each image's last answer begins; images with a problem are left out: they are asked about again."""
    offsets: dict[str, int] = {}
    at = 0
    with place.open("rb") as lines:
        for line in lines:
            try:
                answer = json.loads(line)
                Detections.model_validate(answer)
                offsets[answer["file"]] = at
            except (ValueError, KeyError, TypeError):
                pass  # a problem, or the line at which an earlier run was cut off
            at += len(line)
    return offsets
