"""Batch jobs of any size without an image: a manifest of so many lines, and answers that are made up when read.

As a program it takes a number and a folder, and prints rows, shards and the most kilobytes that it took.
"""

import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.schema import Model
from deploy.batch.answers import Reader
from deploy.batch.output import File
from deploy.batch.pack import SHARD_IMAGES, cut
from deploy.batch.place import Kind, Place
from deploy.batch.source import Manifest, survey

NOBODY: Any = None  # AWS, which is not asked
EACH = 16  # one file in so many is an image
ANSWER = json.dumps({"shape": [1, 3, 64, 64], "cid": [[0]], "score": [[0.9]], "bbox": [[1, 2, 30, 40]]}).encode()


class Silent:
    """An account that hears reports."""

    def report(self, text: str, done: float | None = None) -> None:
        """Says nothing."""


class MadeUp(Place):
    """A place where every shard of a job is."""

    count = 0

    def listed(self, kind: Kind) -> Iterator[str]:
        return (f"{number:06}-00000000" for number in range(-(-self.count // SHARD_IMAGES)))

    def get(self, kind: Kind, shard: str) -> list[bytes]:
        first = int(shard.split("-")[0]) * SHARD_IMAGES
        numbers = range(first, min(first + SHARD_IMAGES, self.count))
        if kind == "answers":
            return [ANSWER for number in numbers if number % EACH == 0]
        return [json.dumps(entry(number)).encode() for number in numbers]


def entry(number: int) -> Any:
    about = {"image": {"width": 640, "height": 480, "format": "JPEG"}} if number % EACH == 0 else {"problem": {}}
    return {"name": f"in/{number:08}.jpg", **about}


def manifest(folder: Path, count: int) -> Manifest:
    path = folder / f"{count}.jsonl"
    with path.open("w") as file:
        file.writelines(f'{{"source-ref": "s3://images/in/{number:08}.jpg"}}\n' for number in range(count))
    return Manifest(NOBODY, str(path))


def main(count: int, folder: Path) -> None:
    silent: Any = Silent()
    source = manifest(folder, count)
    assert survey(silent, source).count == count
    shards = [shard for shard, _ in cut(source.items())]
    MadeUp.count = count
    out = folder / f"{count}.out"
    model = Model(name="made-up", input_size=64)
    File(str(out)).write(Reader(MadeUp(NOBODY, "", "", ""), model, 0.5).shards(), model, numbered=True)
    with out.open("rb") as file:
        rows = sum(1 for _ in file)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{rows} {len(shards)} {most}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
