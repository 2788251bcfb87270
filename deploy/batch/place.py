"""Where the files of a batch job lie in S3, by kind and shard. All of its state is there.

A shard has up to three: `shards/N.jsonl`, the lines that the model gets; `index/N.jsonl`, which images those are and
what is wrong with the others, written last; `answers/N.jsonl.out`, SageMaker's.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from deploy import names
from deploy.aws import Aws, call
from deploy.batch.source import read_object
from deploy.bucket import Stored, delete_all, objects, stored

Kind = Literal["shards", "index", "answers"]
SUFFIXES: dict[Kind, str] = {"shards": ".jsonl", "index": ".jsonl", "answers": ".jsonl.out"}


@dataclass(frozen=True)
class Place:
    """A job's folder in a bucket."""

    aws: Aws
    bucket: str
    name: str
    job: str

    @property
    def folder(self) -> str:
        """The prefix of all that the job has."""
        return names.batch_folder(self.name, self.job)

    def url(self, kind: Kind) -> str:
        """A kind's s3:// address, as SageMaker takes it."""
        return f"s3://{self.bucket}/{self.folder}{kind}/"

    def key(self, kind: Kind, shard: str) -> str:
        """Where a shard's file of this kind lies."""
        return f"{self.folder}{kind}/{shard}{SUFFIXES[kind]}"

    def listed(self, kind: Kind) -> Iterator[str]:
        """The shards that have a file of this kind, in their order."""
        prefix, suffix = f"{self.folder}{kind}/", SUFFIXES[kind]
        for found in objects(self.aws, self.bucket, prefix):
            if found.key.endswith(suffix):
                yield found.key.removeprefix(prefix).removesuffix(suffix)

    def put(self, kind: Kind, shard: str, lines: Iterable[bytes]) -> None:
        """Writes a shard's file, whole or not at all."""
        where: Any = {"Bucket": self.bucket, "Key": self.key(kind, shard), "ExpectedBucketOwner": self.aws.account}
        call(self.aws.s3.put_object, **where, Body=b"".join(line + b"\n" for line in lines))

    def get(self, kind: Kind, shard: str) -> list[bytes]:
        """The lines of a shard's file. Raises NotFound."""
        return read_object(self.aws, self.bucket, self.key(kind, shard)).splitlines()

    def is_empty(self) -> bool:
        """Whether nothing of the job is there."""
        return next(objects(self.aws, self.bucket, self.folder), None) is None

    def remove(self, kind: Kind, shards: Iterable[str]) -> None:
        """Removes the files of this kind that these shards have, in all versions."""
        keys = {self.key(kind, shard) for shard in shards}
        if keys:
            delete_all(self.aws, self.bucket, self.versions(f"{kind}/", keys))

    def versions(self, below: str, keys: set[str]) -> Iterator[Stored]:
        """The versions of some objects of the job's."""
        return (item for item in stored(self.aws, self.bucket, self.folder + below) if item.key in keys)

    def clear(self) -> None:
        """Removes all that the job has, in all versions."""
        delete_all(self.aws, self.bucket, stored(self.aws, self.bucket, self.folder))
