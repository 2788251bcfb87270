"""Images → lines that the model gets, fitted by the gateway's own code, in shards of a fixed number of images.

What is no image becomes a problem in the shard's index, and never fails the job.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any

from api.admission.cores import usable_cores
from api.errors import DetectError, ImageTooLarge
from api.image.decoders import Decoders
from api.image.fit import FITS
from api.image.inspection import inspect
from api.schema import Model
from api.settings import Settings
from deploy.batch.place import Place
from deploy.batch.source import Item, Source, digest
from deploy.errors import NotFound

SHARD_IMAGES = 256  # one of them is some 15 MB; of a million images there are 4,000, whose names are kept in memory
READS = 10  # files at a time: as many connections as boto3 keeps
MOST_BYTES = 64 * 1024 * 1024  # of a file that is looked at
LINE_BYTES = 1024 * 1024  # of a line, which one request has to hold whatever the number of cores
LIMITS = Settings.model_construct()  # the gateway's defaults, whatever this machine's environment says

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Packed:
    """A file's line for the model, if it has one, and its line in the index."""

    entry: bytes
    line: bytes | None = None


def pack(place: Place, source: Source, model: Model, tell: Tell) -> list[str]:
    """The shards of all files, packed but for those that are there already. `tell` hears how many files are done.

    Raises AwsRefused and its kin.
    """
    return asyncio.run(pack_all(place, source, model, tell))


async def pack_all(place: Place, source: Source, model: Model, tell: Tell) -> list[str]:
    """The same, with as many decoders at work as there are cores."""
    there, shards, done = set(place.listed("index")), list[str](), 0
    async with Packer.started(source, model) as packer:
        for shard, items in cut(source.items()):
            if shard not in there:
                packed = await asyncio.gather(*map(packer.pack, items))
                await asyncio.to_thread(keep, place, shard, packed)
            shards.append(shard)
            done += len(items)
            tell(done)
    return shards


def cut(items: Iterable[Item]) -> Iterator[tuple[str, list[Item]]]:
    """Files in shards, each named by its number and its content."""
    left, number = iter(items), 0
    while some := list(islice(left, SHARD_IMAGES)):
        yield f"{number:06}-{digest(some)}", some
        number += 1


def keep(place: Place, shard: str, packed: list[Packed]) -> None:
    """Writes a shard; its index comes last and says that it is whole. Without an image there are no lines."""
    lines = [one.line for one in packed if one.line is not None]
    if lines:
        place.put("shards", shard, lines)
    place.put("index", shard, [one.entry for one in packed])


class Packer:
    """Reads and fits files; decoding happens in processes with limits of their own."""

    def __init__(self, source: Source, model: Model, decoders: Decoders, cores: int) -> None:
        self.source, self.model, self.decoders = source, model, decoders
        self.reading, self.decoding = asyncio.Semaphore(READS), asyncio.Semaphore(cores)

    @classmethod
    @asynccontextmanager
    async def started(cls, source: Source, model: Model) -> AsyncIterator["Packer"]:
        """A packer with its decoders, which end with it."""
        cores, decoders = usable_cores(), Decoders(LIMITS.decode_seconds)
        try:
            yield cls(source, model, decoders, cores)
        finally:
            await decoders.close()

    async def pack(self, item: Item) -> Packed:
        """A file's lines. Raises AwsRefused where no file can be read."""
        async with self.reading:
            try:
                data = await asyncio.to_thread(self.source.read, item)
                return await self.fitted(item, data)
            except DetectError as error:
                return problem(item, error.code, error.title, error.detail)
            except (OSError, NotFound) as error:
                return problem(
                    item, "unreadable-file", "The file cannot be read", getattr(error, "strerror", str(error))
                )

    async def fitted(self, item: Item, data: bytes) -> Packed:
        """An image's lines. Raises DetectError for what is none."""
        if len(data) > MOST_BYTES:
            raise ImageTooLarge(f"The file has {len(data)} bytes; the limit is {MOST_BYTES}.")
        size = self.model.input_size
        image = inspect(data, LIMITS.formats, LIMITS.max_pixels, LIMITS.max_side)
        options: dict[str, Any] = {
            "fits": [vars(FITS[self.model.fit](image.width, image.height, size))],
            "size": size,
            "encoding": LIMITS.canvas_format,
            "memory": image.memory(size),
        }
        async with self.decoding:
            with self.decoders.decoding("canvases", image, image.seconds(size), **options) as decoding:
                [canvas] = await decoding.results()
        line = compact({"image": base64.b64encode(canvas).decode(), "short": size})
        if len(line) > LINE_BYTES:
            raise ImageTooLarge(
                f"The image fitted to {size}×{size} is a line of {len(line)} bytes, more than fit a request."
            )
        about = {"width": image.width, "height": image.height, "format": image.format.upper()}
        return Packed(compact({"name": item.name, "image": about}), line)


def problem(item: Item, code: str, title: str, detail: str | None) -> Packed:
    """The index's line of a file that is not sent."""
    return Packed(compact({"name": item.name, "problem": {"code": code, "title": title, "detail": detail or title}}))


def compact(content: Any) -> bytes:
    """JSON on one line."""
    return json.dumps(content, separators=(",", ":")).encode()
