"""The bucket and what lies in it. Every call says whose bucket it has to be."""

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from deploy import names
from deploy.artifact import Artifact
from deploy.aws import Aws, call, pages
from deploy.errors import AlreadyExists, AwsRefused, NotFound, NotOurs, PermissionDenied, Refused

ALL_BLOCKED: Any = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


MOST_DELETED = 1000  # objects of one DeleteObjects


@dataclass(frozen=True)
class Bucket:
    """A bucket as it was found. `key` is the ARN of the KMS key that encrypts it, if it has one of its own."""

    name: str
    exists: bool
    blocked: bool
    key: str = ""


def find_bucket(aws: Aws, wanted: str | None) -> Bucket:
    """The bucket and whether it is there and closed to the public.

    Raises NotOurs where another account has it, Refused where it is in another region.
    """
    name = wanted or names.bucket_name(aws.region, aws.account)
    try:
        found = call(aws.s3.head_bucket, Bucket=name, ExpectedBucketOwner=aws.account)
    except NotFound:
        return Bucket(name, exists=False, blocked=False)
    except PermissionDenied as error:
        raise NotOurs(
            f"The bucket {name} belongs to another account, or you may not see it.",
            hint="Name one of this account's: --bucket.",
        ) from error
    if (region := found.get("BucketRegion", aws.region)) != aws.region:
        raise Refused(
            f"The bucket {name} is in {region} and the endpoint in {aws.region}.",
            hint="SageMaker reads artifacts in its own region: name another with --bucket.",
        )
    return Bucket(name, exists=True, blocked=is_blocked(aws, name), key=encryption_key(aws, name))


def encryption_key(aws: Aws, name: str) -> str:
    """The ARN of the KMS key that the bucket encrypts with; empty for S3's own."""
    try:
        answer = call(aws.s3.get_bucket_encryption, Bucket=name, ExpectedBucketOwner=aws.account)
    except NotFound:
        return ""
    rule = answer["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"]
    key = rule.get("KMSMasterKeyID", "")
    if not key or key.startswith("arn:"):
        return key
    return f"arn:{aws.partition}:kms:{aws.region}:{aws.account}:key/{'*' if key.startswith('alias/') else key}"


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


def has_artifact(aws: Aws, bucket: str, key: str, artifact: Artifact) -> bool:
    """Whether these bytes are there already, by the checksum that S3 has of them."""
    where: Any = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": aws.account}
    try:
        found = call(aws.s3.head_object, **where, ChecksumMode="ENABLED")
    except NotFound:
        return False
    return found.get("ChecksumSHA256") == artifact.checksum


def upload(aws: Aws, bucket: str, key: str, artifact: Artifact) -> None:
    """One PutObject, whole or not at all: a killed upload leaves nothing. S3 checks the sum."""
    call(
        aws.s3.put_object,
        Bucket=bucket,
        Key=key,
        Body=Counted(artifact.content, aws),
        ContentLength=artifact.size,
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=artifact.checksum,
        ExpectedBucketOwner=aws.account,
    )


@dataclass(frozen=True)
class Stored:
    """A version of an object; `null` in a bucket that keeps none. A delete marker is one too."""

    key: str
    version: str


def stored(aws: Aws, bucket: str, prefix: str) -> Iterator[Stored]:
    """Every version of every object under a prefix; none where the bucket is not there."""
    where = {"Bucket": bucket, "Prefix": prefix, "ExpectedBucketOwner": aws.account}
    try:
        for kind in ("Versions", "DeleteMarkers"):
            for item in pages(aws.s3, "list_object_versions", kind, **where):
                yield Stored(item["Key"], item["VersionId"])
    except NotFound:
        return


def delete_stored(aws: Aws, bucket: str, item: Stored) -> None:
    """Removes one version of an object for good; gone already is gone."""
    call(aws.s3.delete_object, Bucket=bucket, Key=item.key, VersionId=item.version, ExpectedBucketOwner=aws.account)


def delete_all(aws: Aws, bucket: str, items: Iterable[Stored]) -> None:
    """Removes versions of objects for good, a thousand a call. Raises AwsRefused for the first that stays."""
    left = iter(items)
    while some := list(islice(left, MOST_DELETED)):
        objects: Any = [{"Key": item.key, "VersionId": item.version} for item in some]
        answer = call(
            aws.s3.delete_objects,
            Bucket=bucket,
            Delete={"Objects": objects, "Quiet": True},
            ExpectedBucketOwner=aws.account,
        )
        for error in answer.get("Errors", []):
            raise AwsRefused(f"AWS does not delete {error.get('Key')}: {error.get('Message', error.get('Code'))}")


@dataclass(frozen=True)
class Object:
    """An object as a listing tells it; `etag` changes with its content."""

    key: str
    size: int
    etag: str


def objects(aws: Aws, bucket: str, prefix: str) -> Iterator[Object]:
    """Every object under a prefix, in the order of the keys; none where the bucket is not there.

    Of the bucket's own owner nothing is asked: images may lie in another account's.
    """
    try:
        for item in pages(aws.s3, "list_objects_v2", "Contents", Bucket=bucket, Prefix=prefix):
            yield Object(item["Key"], item["Size"], item["ETag"].strip('"'))
    except NotFound:
        return


def parts_of(url: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    return bucket, key


def key_of(url: str) -> str:
    """The key of an s3:// address."""
    return url.split("/", 3)[3]


def delete_bucket(aws: Aws, bucket: str) -> bool:
    """Removes the bucket if it is empty; False where it holds something of others', or is not there."""
    if next(stored(aws, bucket, ""), None) is not None:
        return False
    try:
        call(aws.s3.delete_bucket, Bucket=bucket, ExpectedBucketOwner=aws.account)
    except NotFound:
        return False
    return True
