"""SageMaker's transform jobs: real containers, one for each instance, that get the lines or the files of a prefix.

A job moves when somebody looks at it: with each look every instance takes one object.
"""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.deploy import moto_side
from tests.deploy.container import Container

if TYPE_CHECKING:
    from tests.deploy.plane import Plane

MACHINES = re.compile(r"ml\.(c6i|c7i|m6i|m7i)\.(\d*x)?large")  # of those that there are, the ones that we name
MIB = 1024 * 1024
LOGS = "/aws/sagemaker/TransformJobs"
S3 = "arn:aws:s3:::"


class Broken(Exception):
    """An object that the container did not answer."""


@dataclass
class Job:
    """A transform job: what was asked for, its containers, and which objects are left for each."""

    name: str
    asked: dict[str, Any]
    containers: list[Container]
    looks: int
    status: str = "InProgress"
    failure: str = ""
    left: list[list[str]] | None = None
    started: datetime | None = None
    ended: datetime | None = None
    broken: list[str] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The s3:// address of its input."""
        return str(self.asked["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"])


@dataclass
class Transforms:
    """The jobs of an account; `fail` names objects that no instance gets through."""

    plane: "Plane"
    jobs: dict[str, Job] = field(default_factory=dict)

    def CreateTransformJob(self, TransformJobName: str, ModelName: str, Tags: list[Any], **asked: Any) -> Any:
        plane, resources = self.plane, asked["TransformResources"]
        plane.new("transform-job", TransformJobName)
        model = plane.find("model", ModelName, lagging=True)
        if asked["MaxConcurrentTransforms"] * asked["MaxPayloadInMB"] > 100:
            raise plane.refusal("MaxConcurrentTransforms * MaxPayloadInMB must be at most 100.")
        if not MACHINES.fullmatch(resources["InstanceType"]):
            raise plane.refusal(f"{resources['InstanceType']} is not supported for transform jobs.")
        plane.check_count(resources["InstanceType"], resources["InstanceCount"], "transform job")
        environment = {"SAGEMAKER_BATCH": "true", "SAGEMAKER_MAX_PAYLOAD_IN_MB": str(asked["MaxPayloadInMB"])}
        artifact = moto_side.artifact(plane.account, model.content["PrimaryContainer"]["ModelDataUrl"])
        assert artifact is not None
        containers = [Container(plane.command, artifact, environment) for _ in range(resources["InstanceCount"])]
        asked = {"ModelName": ModelName, "Role": model.content["ExecutionRoleArn"], **asked}
        self.jobs[TransformJobName] = Job(TransformJobName, asked, containers, plane.slowness)
        return {"TransformJobArn": plane.keep("transform-job", TransformJobName, {}, Tags)}

    def DescribeTransformJob(self, TransformJobName: str) -> Any:
        item, job = self.plane.find("transform-job", TransformJobName), self.jobs[TransformJobName]
        self.advance(job)
        about = {
            "TransformJobName": job.name,
            "TransformJobArn": item.arn,
            "TransformJobStatus": job.status,
            "CreationTime": item.made,
            "FailureReason": job.failure,
            "TransformStartTime": job.started,
            "TransformEndTime": job.ended,
            **{key: job.asked[key] for key in ("ModelName", "TransformInput", "TransformOutput", "TransformResources")},
        }
        return {key: value for key, value in about.items() if value not in (None, "")}

    def StopTransformJob(self, TransformJobName: str) -> None:
        self.plane.find("transform-job", TransformJobName)
        job = self.jobs[TransformJobName]
        if job.status != "InProgress":
            raise self.plane.refusal(f"The transform job is in status {job.status}, only InProgress can be stopped.")
        job.status = "Stopping"

    def ListTransformJobs(self, **query: Any) -> Any:
        return self.plane.listing("transform-job", "TransformJobSummaries", "TransformJob", query)

    def active(self) -> list[Job]:
        """The jobs that bill."""
        return [job for job in self.jobs.values() if job.status in ("InProgress", "Stopping")]

    def stop(self, job: Job) -> None:
        """Ends a job's containers."""
        for container in job.containers:
            container.stop()
        job.containers.clear()

    # What moves

    def advance(self, job: Job) -> None:
        """One look closer to the end."""
        if job.status == "Stopping":
            self.end(job, "Stopped")
        elif job.status != "InProgress":
            return
        elif job.looks > 0:
            job.looks -= 1
        elif any(container.failed for container in job.containers):
            self.end(job, "Failed", "AlgorithmError: See job logs for more information")
        elif all(container.ping() for container in job.containers):
            self.work(job)

    def work(self, job: Job) -> None:
        """Each instance takes an object; without one left the job ends."""
        job.started = job.started or datetime.now(UTC)
        if job.left is None:
            keys, number = list(self.inputs(job)), len(job.containers)
            job.left = [keys[instance::number] for instance in range(number)]
        if not any(job.left):
            reason = "ClientError: See job logs for more information" if job.broken else ""
            return self.end(job, "Failed" if job.broken else "Completed", reason)
        for container, keys in zip(job.containers, job.left, strict=True):
            if keys:
                self.transform(job, container, keys.pop(0))
        return None

    def end(self, job: Job, status: str, failure: str = "") -> None:
        """Its last state."""
        lines = [line for container in job.containers for line in container.lines] + job.broken
        self.stop(job)
        job.status, job.failure, job.ended = status, failure, datetime.now(UTC)
        self.log(job, lines)

    def log(self, job: Job, lines: list[str]) -> None:
        """Writes what the containers said, into the group of all jobs, which the role makes where it is missing."""
        plane, stream = self.plane, f"{job.name}/i-1"
        group = f"arn:aws:logs:{plane.region}:{plane.account}:log-group:{LOGS}"
        for action, arn in (("CreateLogGroup", group), ("PutLogEvents", f"{group}:log-stream:{stream}")):
            plane.check_role(job.asked["Role"], f"logs:{action}", arn)
        moto_side.make_log_group(plane.account, plane.region, LOGS)
        moto_side.write_log(plane.account, plane.region, LOGS, lines, stream)

    def inputs(self, job: Job) -> Iterator[str]:
        """The s3:// addresses of a job's objects."""
        bucket, _, key = job.path.removeprefix("s3://").partition("/")
        if job.asked["TransformInput"]["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile":
            first, *names = json.loads(self.read(job, job.path))
            yield from (first["prefix"] + name for name in names)
            return
        self.plane.check_role(job.asked["Role"], "s3:ListBucket", f"{S3}{bucket}")
        yield from (f"s3://{name}" for name in moto_side.newest(self.plane.account, bucket, key))

    def read(self, job: Job, url: str) -> bytes:
        """An object's bytes, which the role has to be allowed to read."""
        self.plane.check_role(job.asked["Role"], "s3:GetObject", url.replace("s3://", S3))
        content = moto_side.artifact(self.plane.account, url)
        assert content is not None, url
        return content

    def transform(self, job: Job, container: Container, url: str) -> None:
        """An object's answer beside it in the output; where a request fails, the object has none."""
        try:
            content = self.answer(job, container, self.read(job, url))
        except Broken as broken:
            job.broken.append(f"{url.rsplit('/', 1)[1]}: {broken}")
            return
        start = job.path if job.path.endswith("/") else job.path.rsplit("/", 1)[0] + "/"
        target = f"{job.asked['TransformOutput']['S3OutputPath'].rstrip('/')}/{url.removeprefix(start)}.out"
        self.plane.check_role(job.asked["Role"], "s3:PutObject", target.replace("s3://", S3))
        moto_side.put(self.plane.account, target, content)

    def answer(self, job: Job, container: Container, body: bytes) -> bytes:
        """The answers to an object's requests, as many at a time as asked for, put together again."""
        asked, output = job.asked, job.asked["TransformOutput"]
        lined = asked["TransformInput"]["SplitType"] == "Line"
        payload = asked["MaxPayloadInMB"] * MIB
        bodies = list(batches(body, asked["BatchStrategy"], payload)) if lined else [body]
        if any(len(one) > payload for one in bodies):
            raise Broken("a record is larger than MaxPayloadInMB")
        headers = {"Content-Type": asked["TransformInput"]["ContentType"], "Accept": output["Accept"]}
        with ThreadPoolExecutor(asked["MaxConcurrentTransforms"]) as threads:
            answers = list(threads.map(lambda one: self.ask(job, container, one, headers), bodies))
        end = b"\n" if output["AssembleWith"] == "Line" else b""
        return b"".join(one.rstrip(b"\n") + end for one in answers)

    def ask(self, job: Job, container: Container, body: bytes, headers: dict[str, str]) -> bytes:
        """The answer to one request, repeated where the container fails."""
        for _ in range(1 + job.asked["ModelClientConfig"]["InvocationsMaxRetries"]):
            job.requests.append(len(body))
            status, _, content = container.post(body, headers)
            if status == 200:
                return content
            if status < 500:
                break
        raise Broken(f"Bad HTTP status received from algorithm: {status} {content[:200].decode(errors='replace')}")


def batches(body: bytes, strategy: str, payload: int) -> Iterator[bytes]:
    """An object's lines, one a request, or as many as a request may hold."""
    batch: list[bytes] = []
    for line in body.removesuffix(b"\n").split(b"\n"):
        if batch and (strategy == "SingleRecord" or sum(map(len, batch)) + len(batch) + len(line) > payload):
            yield b"\n".join(batch)
            batch = []
        batch.append(line)
    if batch:
        yield b"\n".join(batch)
