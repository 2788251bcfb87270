"""The bucket and what lies in it. Every call says whose bucket it has to be."""

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.artifact import Artifact
from deploy.aws import Aws, call, pages
from deploy.errors import AlreadyExists, NotFound, NotOurs, PermissionDenied

ALL_BLOCKED: Any = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


@dataclass(frozen=True)
class Bucket:
    """A bucket as it was found."""

    name: str
    exists: bool
    blocked: bool


def find_bucket(aws: Aws, wanted: str | None) -> Bucket:
    """The bucket and whether it is there and closed to the public. Raises NotOurs where another account has it."""
    name = wanted or names.bucket_name(aws.region, aws.account)
    try:
        call(aws.s3.head_bucket, Bucket=name, ExpectedBucketOwner=aws.account)
    except NotFound:
        return Bucket(name, exists=False, blocked=False)
    except PermissionDenied as error:
        raise NotOurs(
            f"The bucket {name} belongs to another account, or you may not see it.",
            hint="Name one of this account's: --bucket.",
        ) from error
    return Bucket(name, exists=True, blocked=is_blocked(aws, name))


def is_blocked(aws: Aws, name: str) -> bool:
    """Whether all public access to the bucket is blocked."""
    try:
        answer = call(aws.s3.get_public_access_block, Bucket=name, ExpectedBucketOwner=aws.account)
    except NotFound:
        return False
    return bool(answer["PublicAccessBlockConfiguration"] == ALL_BLOCKED)


def ensure_bucket(aws: Aws, bucket: Bucket) -> None:
    """The bucket is there, ours, and closed to the public."""
    if not bucket.exists:
        create_bucket(aws, bucket.name)
    if not bucket.blocked:
        call(
            aws.s3.put_public_access_block,
            Bucket=bucket.name,
            PublicAccessBlockConfiguration=ALL_BLOCKED,
            ExpectedBucketOwner=aws.account,
        )


def create_bucket(aws: Aws, name: str) -> None:
    """A new bucket; us-east-1 takes no location. Raises NotOurs where somebody else was faster."""
    try:
        if aws.region == "us-east-1":
            call(aws.s3.create_bucket, Bucket=name)
        else:
            where = {"LocationConstraint": aws.region}
            call(aws.s3.create_bucket, Bucket=name, CreateBucketConfiguration=where)  # type: ignore[arg-type] # any region
    except AlreadyExists:
        return


class Counted(io.BytesIO):
    """Bytes that say how many of them have been read, for the progress bar."""

    def __init__(self, content: bytes, aws: Aws) -> None:
        super().__init__(content)
        self.size, self.aws = len(content), aws

    def read(self, count: int | None = -1) -> bytes:
        """The next bytes."""
        chunk = super().read(count)
        self.aws.report(f"uploading the artifact, {self.size / 1e6:.1f} MB", done=min(0.99, self.tell() / self.size))
        return chunk


def has_artifact(aws: Aws, bucket: str, key: str, size: int) -> bool:
    """Whether these bytes are there already; the key holds their sha256."""
    try:
        found = call(aws.s3.head_object, Bucket=bucket, Key=key, ExpectedBucketOwner=aws.account)
    except NotFound:
        return False
    return found["ContentLength"] == size


def upload(aws: Aws, bucket: str, key: str, artifact: Artifact) -> None:
    """One PutObject, whole or not at all: a killed upload leaves nothing. S3 checks the sum."""
    call(
        aws.s3.put_object,
        Bucket=bucket,
        Key=key,
        Body=Counted(artifact.content, aws),
        ContentLength=artifact.size,
        ChecksumSHA256=base64.b64encode(bytes.fromhex(artifact.sha256)).decode(),
        ExpectedBucketOwner=aws.account,
    )


def artifacts(aws: Aws, bucket: str, prefix: str) -> Iterator[str]:
    """The keys under a prefix; none where the bucket is not there."""
    try:
        for item in pages(
            aws.s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix, ExpectedBucketOwner=aws.account
        ):
            yield item["Key"]
    except NotFound:
        return


def delete_artifact(aws: Aws, bucket: str, key: str) -> None:
    """Removes one object; gone already is gone."""
    call(aws.s3.delete_object, Bucket=bucket, Key=key, ExpectedBucketOwner=aws.account)


def key_of(url: str) -> str:
    """The key of an s3:// address."""
    return url.split("/", 3)[3]


def delete_bucket(aws: Aws, bucket: str) -> bool:
    """Removes the bucket if it is empty; False where it holds something of others', or is not there."""
    if next(artifacts(aws, bucket, ""), None) is not None:
        return False
    try:
        call(aws.s3.delete_bucket, Bucket=bucket, ExpectedBucketOwner=aws.account)
    except NotFound:
        return False
    return True
