"""Where the rows go: a local file (JSON lines, or COCO's results where it ends in .json), or a prefix in S3."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from api.schema import Model
from deploy.aws import Aws, call
from deploy.batch.answers import Row
from deploy.batch.source import S3
from deploy.bucket import objects, parts_of
from deploy.errors import Refused

COCO = ".json"
END = "_SUCCESS"  # how Hadoop and Spark mark a prefix that is whole

Shards = Iterator[tuple[str, list[Row]]]


class Output(Protocol):
    """Written whole: until then `is_whole` is false. `is_taken`: something is there already, whosever it is."""

    address: str

    def is_whole(self) -> bool:
        """Whether all rows are there."""
        ...

    def is_taken(self) -> bool:
        """Whether anything is there."""
        ...

    def write(self, shards: Shards, model: Model, numbered: bool) -> None:
        """Writes all rows. Raises OSError, AwsRefused."""
        ...


@dataclass
class File:
    """A file on this machine, written beside its place and moved there at the end."""

    address: str

    def is_whole(self) -> bool:
        """Whether the file is there."""
        return Path(self.address).exists()

    def is_taken(self) -> bool:
        """The same."""
        return self.is_whole()

    def write(self, shards: Shards, model: Model, numbered: bool) -> None:
        """Writes the rows, one after the other."""
        with self.opened() as file:
            if self.address.endswith(COCO):
                write_coco(file, shards, model, numbered)
            else:
                for _, rows in shards:
                    file.writelines(row.as_line(model) for row in rows)

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """A file that takes the place at the end; a run that fails leaves nothing."""
        place = Path(self.address)
        part = place.with_name(f"{place.name}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                yield file
            part.replace(place)
        except OSError as error:
            raise Refused(f"{place} cannot be written: {error.strerror}.", hint="The answers wait in S3.") from error
        finally:
            with suppress(OSError):
                part.unlink()


def write_coco(file: IO[bytes], shards: Shards, model: Model, numbered: bool) -> None:
    """COCO's results: a list of detections."""
    separator = b"["
    for _, rows in shards:
        for row in rows:
            if row.detections:
                file.write(separator + row.as_coco(model, numbered))
                separator = b",\n"
    file.write(b"]" if separator != b"[" else b"[]")


@dataclass
class Folder:
    """A prefix in S3, with an object of JSON lines for each shard, and a last one that says that these are all."""

    aws: Aws = field(repr=False)
    address: str

    def is_whole(self) -> bool:
        """Whether the last object is there."""
        bucket, key = parts_of(self.address)
        return next(objects(self.aws, bucket, key + END), None) is not None

    def is_taken(self) -> bool:
        """Whether anything is under the prefix."""
        return next(objects(self.aws, *parts_of(self.address)), None) is not None

    def write(self, shards: Shards, model: Model, numbered: bool) -> None:
        """Writes the shards' rows, one object after the other."""
        for shard, rows in shards:
            self.put(f"{shard.split('-')[0]}.jsonl", b"".join(row.as_line(model) for row in rows))
        self.put(END, b"")

    def put(self, name: str, body: bytes) -> None:
        """Writes one object."""
        bucket, key = parts_of(self.address)
        call(self.aws.s3.put_object, Bucket=bucket, Key=key + name, Body=body)


def output_of(aws: Aws, address: str, source: str) -> Output:
    """What OUTPUT names. Raises Refused where it is a folder, or part of INPUT: the answers would become images."""
    if address.startswith(S3):
        return outside(Folder(aws, address if address.endswith("/") else f"{address}/"), source)
    if Path(address).is_dir() or address.endswith("/"):
        raise Refused(f"{address} is a folder.", hint="Name a file: .json is COCO's results, any other JSON lines.")
    return outside(File(str(Path(address).absolute())), source)


def outside(output: Output, source: str) -> Output:
    """The output. Raises Refused where it lies in INPUT."""
    if output.address.startswith(source if source.startswith(S3) else f"{source}/"):
        raise Refused(f"OUTPUT lies in INPUT, {source}.", hint="Name a place outside of it.")
    return output
