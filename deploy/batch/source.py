"""Where the images of a batch job come from: a prefix in S3, a folder, or a manifest that names each."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any, Protocol

from deploy.aws import Aws, call
from deploy.bucket import objects, parts_of
from deploy.errors import NotFound, Refused

MANIFESTS = (".manifest", ".jsonl", ".json")
S3 = "s3://"


@dataclass(frozen=True)
class Item:
    """A file that may be an image. `version` changes with its content, as far as a listing tells."""

    name: str
    version: str = ""


class Source(Protocol):
    """Files by their names, in the same order each time. None of them holds more than one name in memory."""

    address: str

    def items(self) -> Iterator[Item]:
        """The files. Raises AwsRefused and Refused."""
        ...

    def read(self, item: Item) -> bytes:
        """A file's bytes. Raises OSError and NotFound for that file, AwsRefused for the whole."""
        ...


@dataclass
class Folder:
    """The files of a folder and those below it, by their paths in it; what begins with a dot is left out."""

    address: str

    def items(self) -> Iterator[Item]:
        """The files, folder by folder."""
        for folder, below, files in os.walk(self.address):
            below[:] = sorted(name for name in below if not name.startswith("."))
            for name in sorted(files):
                path = os.path.join(folder, name)
                if not name.startswith(".") and os.path.isfile(path):
                    about = os.stat(path)
                    yield Item(os.path.relpath(path, self.address), f"{about.st_size} {about.st_mtime_ns}")

    def read(self, item: Item) -> bytes:
        """A file's bytes."""
        return (Path(self.address) / item.name).read_bytes()


@dataclass
class Prefix:
    """The objects under a prefix in S3, by their keys."""

    aws: Aws = field(repr=False)
    address: str

    def items(self) -> Iterator[Item]:
        """The objects; those that only stand for a folder are left out."""
        for found in objects(self.aws, *parts_of(self.address)):
            if not found.key.endswith("/"):
                yield Item(found.key, found.etag)

    def read(self, item: Item) -> bytes:
        """An object's bytes."""
        return read_object(self.aws, parts_of(self.address)[0], item.name)


@dataclass
class Manifest:
    """Images named one by one, in S3 or here: Ground Truth's lines with `source-ref`, or SageMaker's list."""

    aws: Aws = field(repr=False)
    address: str

    def items(self) -> Iterator[Item]:
        """The images, in the manifest's order."""
        with self.opened() as lines:
            try:
                for name in references(lines):
                    yield Item(name)
            except (ValueError, KeyError, TypeError, IndexError) as error:
                raise Refused(
                    f"{self.address} is no manifest.",
                    hint='A line is {"source-ref": "s3://BUCKET/KEY"}, or all is [{"prefix": "s3://BUCKET/"}, "KEY"].',
                ) from error

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The manifest, copied here where it is in S3: packing takes longer than a connection lives."""
        with tempfile.TemporaryFile() if self.address.startswith(S3) else open(self.address, "rb") as lines:
            if self.address.startswith(S3):
                bucket, key = parts_of(self.address)
                body: Any = call(self.aws.s3.get_object, Bucket=bucket, Key=key)["Body"]
                call(shutil.copyfileobj, body, lines)
                lines.seek(0)
            yield lines

    def read(self, item: Item) -> bytes:
        """An image's bytes; a path is one from the manifest's folder."""
        if item.name.startswith(S3):
            return read_object(self.aws, *parts_of(item.name))
        if self.address.startswith(S3):
            raise FileNotFoundError(2, "A manifest in S3 names images in S3", item.name)
        return (Path(self.address).parent / item.name).read_bytes()


def references(lines: Iterable[bytes]) -> Iterator[str]:
    """The images' names. Raises ValueError, KeyError, TypeError and IndexError for what is no manifest."""
    left = iter(lines)
    first = next(left, b"")
    if first.lstrip().startswith(b"["):
        start, *rest = json.loads(b"".join((first, *left)))
        yield from (start["prefix"] + name for name in rest)
        return
    for line in chain((first,), left):
        if line.strip():
            yield json.loads(line)["source-ref"]


def read_object(aws: Aws, bucket: str, key: str) -> bytes:
    """An object's bytes. Raises NotFound and AwsRefused."""
    body: Any = call(aws.s3.get_object, Bucket=bucket, Key=key)["Body"]
    return bytes(call(body.read))


def source_of(aws: Aws, address: str) -> Source:
    """What INPUT names. Raises Refused, NotFound."""
    if address.startswith(S3):
        return Manifest(aws, address) if address.endswith(MANIFESTS) else Prefix(aws, address)
    if os.path.isdir(address):
        return Folder(os.path.abspath(address))
    if os.path.isfile(address):
        return Manifest(aws, os.path.abspath(address))
    raise NotFound(f"There is no folder and no manifest {address}.", hint="INPUT in S3 begins with s3://.")


@dataclass(frozen=True)
class Survey:
    """How many files there are, and whether each has a number of its own for a name, as COCO's images have."""

    count: int
    numbered: bool


def survey(aws: Aws, source: Source) -> Survey:
    """Counts the files. Numbers that only rise are no two images'."""
    count, last, numbered = 0, -1, True
    for count, item in enumerate(source.items(), 1):
        stem = Path(item.name).stem if numbered else ""
        numbered = stem.isascii() and stem.isdecimal() and int(stem) > last
        last = int(stem) if numbered else last
        if count % 1000 == 0:
            aws.report(f"{source.address}: {count:,} files")
    return Survey(count, numbered and count > 0)


def digest(items: Iterable[Item]) -> str:
    """Eight characters that are these files'."""
    told = json.dumps([(item.name, item.version) for item in items])
    return hashlib.sha256(told.encode()).hexdigest()[:8]
