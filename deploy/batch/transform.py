"""The transform job: made, awaited with its progress, stopped. A job that failed or was stopped has a next attempt."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deploy import logs
from deploy.aws import Aws, call, pages, until_visible
from deploy.diagnose import likely_cause
from deploy.errors import AlreadyExists, InProgress, NotFound, TimedOut, TransformFailed

ACTIVE = ("InProgress", "Stopping")
MOST_MB = 100  # of all requests that are at work at a time in one instance
LINES_MB = 1  # a dozen lines or so: the requests of a shard then end at about the same time
INVOCATION_SECONDS, INVOCATION_RETRIES = 600, 3
LARGE = {"large": 2, "xlarge": 4}


@dataclass(frozen=True)
class Transform:
    """A transform job as AWS describes it; times are None until it gets there."""

    name: str
    status: str
    failure: str
    started: datetime | None
    ended: datetime | None

    @property
    def seconds(self) -> float:
        """How long its instances have been at work."""
        if self.started is None:
            return 0.0
        return max(0.0, ((self.ended or datetime.now(UTC)) - self.started).total_seconds())


@dataclass(frozen=True)
class Machines:
    """How many instances of which type, and the ARN of the KMS key that encrypts their disks, if any."""

    instance_type: str
    instances: int
    volume_key: str | None = None

    @property
    def cores(self) -> int:
        """The vCPUs of one: 2 of a `large`, 4 of an `xlarge`, 4 N of an `Nxlarge`."""
        size = self.instance_type.rsplit(".", 1)[1]
        return LARGE.get(size) or 4 * int(size.removesuffix("xlarge"))

    @property
    def concurrency(self) -> int:
        """Requests at work at a time in one instance: one for each vCPU, of a megabyte at least."""
        return min(self.cores, MOST_MB)

    def payload_mb(self, most: int) -> int:
        """The megabytes of a request, `most` where that many at a time may have them."""
        return min(most, MOST_MB // self.concurrency)


def lines_job(machines: Machines, source: str, answers: str) -> dict[str, Any]:
    """What CreateTransformJob is told for shards of JSON lines: many lines a request, each answered in its place."""
    return {
        **common(machines, LINES_MB),
        "BatchStrategy": "MultiRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": source}},
            "ContentType": "application/jsonlines",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": answers, "Accept": "application/jsonlines", "AssembleWith": "Line"},
    }


def raw_job(machines: Machines, source: str, answers: str) -> dict[str, Any]:
    """The same for images where they lie: one request and one answer for each."""
    kind = "ManifestFile" if source.endswith(".manifest") else "S3Prefix"
    return {
        **common(machines, MOST_MB),
        "BatchStrategy": "SingleRecord",
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": kind, "S3Uri": source}},
            "ContentType": "application/x-image",
            "SplitType": "None",
        },
        "TransformOutput": {"S3OutputPath": answers, "Accept": "application/json", "AssembleWith": "None"},
    }


def common(machines: Machines, most_mb: int) -> dict[str, Any]:
    """What every job is told: its machines, and how many requests of which size they get."""
    key = {"VolumeKmsKeyId": machines.volume_key} if machines.volume_key else {}
    return {
        "MaxConcurrentTransforms": machines.concurrency,
        "MaxPayloadInMB": machines.payload_mb(most_mb),
        "ModelClientConfig": {
            "InvocationsTimeoutInSeconds": INVOCATION_SECONDS,
            "InvocationsMaxRetries": INVOCATION_RETRIES,
        },
        "TransformResources": {"InstanceType": machines.instance_type, "InstanceCount": machines.instances, **key},
    }


def latest(aws: Aws, prefix: str) -> Transform | None:
    """The last attempt of a job, or None."""
    query = {"NameContains": prefix, "SortBy": "CreationTime", "SortOrder": "Descending"}
    found = pages(aws.sagemaker, "list_transform_jobs", "TransformJobSummaries", **query)
    attempts = (item["TransformJobName"] for item in found if item["TransformJobName"].startswith(prefix))
    name = max(attempts, default=None)
    return describe(aws, name) if name else None


def describe(aws: Aws, name: str) -> Transform:
    """A transform job. Raises NotFound."""
    found = call(aws.sagemaker.describe_transform_job, TransformJobName=name)
    return Transform(
        name,
        found["TransformJobStatus"],
        found.get("FailureReason", ""),
        found.get("TransformStartTime"),
        found.get("TransformEndTime"),
    )


def attempt_after(prefix: str, last: Transform | None) -> str:
    """The name of the next attempt; a name is never free again."""
    return f"{prefix}{int(last.name.removeprefix(prefix)) + 1 if last else 1:03}"


def create(aws: Aws, name: str, model: str, job: dict[str, Any], tags: list[Any]) -> Transform:
    """The transform job, or the same one from an earlier run. Raises AwsRefused, QuotaExceeded."""

    def make() -> None:
        try:
            call(aws.sagemaker.create_transform_job, TransformJobName=name, ModelName=model, Tags=tags, **job)
        except AlreadyExists:
            return

    until_visible(aws, make, "transform job")
    return until_visible(aws, lambda: describe(aws, name), "transform job")


def wait(aws: Aws, job: Transform, progress: Callable[[Transform], str]) -> Transform:
    """The job once it is done; `progress` says how far it is, and is told whenever it says something else.

    Raises TransformFailed, and TimedOut where nothing has moved for `limit` seconds.
    """
    said, moved = "", time.monotonic()
    while job.status in ACTIVE:
        if (text := progress(job)) != said:
            said, moved = text, time.monotonic()
        if time.monotonic() - moved > aws.limit:
            raise TimedOut(
                f"The transform job {job.name} is {job.status}; nothing has moved for {aws.limit / 60:.0f} minutes.",
                hint="AWS keeps working on it: run the same command again to go on waiting.",
            )
        time.sleep(aws.poll)
        job = describe(aws, job.name)
    if job.status != "Completed":
        raise failed(aws, job)
    return job


def failed(aws: Aws, job: Transform) -> TransformFailed:
    """The error for a job that failed or was stopped: AWS's reason, the likely cause, the end of its log."""
    log = logs.transform_tail(aws, job.name)
    again = "Run the same command again: only what has no answer yet is done."
    cause = f"Likely cause: {likely_cause(job.failure, log)} " if job.status == "Failed" else ""
    error = TransformFailed(
        f"The transform job {job.name} is {job.status}. AWS says: {job.failure or 'nothing'}", hint=cause + again
    )
    error.log = log
    return error


def stop(aws: Aws, job: Transform) -> None:
    """Stops a job and waits until it has. Raises TimedOut."""
    started = time.monotonic()
    while job.status in ACTIVE:
        if time.monotonic() - started > aws.limit:
            raise TimedOut(f"The transform job {job.name} is {job.status} and does not stop.")
        if job.status == "InProgress":
            with suppress(InProgress, NotFound):
                call(aws.sagemaker.stop_transform_job, TransformJobName=job.name)
        time.sleep(aws.poll)
        job = describe(aws, job.name)
    aws.report(f"transform job {job.name}: {job.status}", done=1.0)
