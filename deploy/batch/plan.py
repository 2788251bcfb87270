"""What a batch job would do. Planning reads everything and touches nothing."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from api.schema import Model
from deploy import names
from deploy.artifact import MANIFEST, Artifact, pack
from deploy.aws import Aws
from deploy.batch.output import Output, output_of
from deploy.batch.pack import SHARD_IMAGES
from deploy.batch.place import Place
from deploy.batch.price import Work
from deploy.batch.source import S3, Prefix, Source, Survey, source_of, survey
from deploy.batch.transform import ACTIVE, Machines, Transform, latest
from deploy.bucket import Bucket, find_bucket, has_artifact
from deploy.configuration import container, network
from deploy.errors import Refused
from deploy.image import check_image
from deploy.plan import Step, exists, joined, made, planned_role
from deploy.policies import Scope
from deploy.role import Role, is_right, own_scope
from deploy.wish import Wish, check, family

FAMILIES = ("c6i", "c7i", "m6i", "m7i")  # where SageMaker runs transform jobs, of what our image runs on


@dataclass(frozen=True)
class Job:
    """What the operator wants: images from INPUT, rows in OUTPUT, by a model folder, as `wish` says."""

    source: str
    output: str
    wish: Wish
    model_dir: Path
    code_dir: Path
    min_score: float | None = None
    role: str | None = None
    bucket: str | None = None
    raw: bool = False


@dataclass(frozen=True)
class Plan:
    """Everything that a batch job needs to know. `job` is what is done, in eight characters."""

    wish: Wish
    job: str
    raw: bool
    source: Source
    output: Output
    survey: Survey
    machines: Machines
    described: Model
    min_score: float
    role: Role
    bucket: Bucket
    artifact: Artifact
    place: Place
    model: str
    model_exists: bool
    uploaded: bool
    scope: Scope
    last: Transform | None
    known: bool

    @property
    def name(self) -> str:
        """What all batch jobs beside this endpoint are called."""
        return self.wish.endpoint

    @property
    def attempts(self) -> str:
        """What the names of the job's attempts begin with."""
        return attempts(self.name, self.job)

    @property
    def artifact_key(self) -> str:
        """Where the artifact lies."""
        return f"{self.place.folder}model.tar.gz"

    @property
    def shards(self) -> int:
        """How many shards there are."""
        return objects_of(self.survey, raw=False)

    @property
    def work(self) -> Work:
        """What is paid for beside the machines: each image is read from S3, and with --raw its answer written there."""
        read = ("s3-get",) if self.source.address.startswith(S3) else ()
        return Work(self.survey.count, (*read, "s3-put") if self.raw else read, self.scope.region)

    @property
    def is_done(self) -> bool:
        """Whether an earlier run has written all of the output; then what it made is deleted, and no more."""
        completed = self.last is not None and self.last.status == "Completed"
        if self.raw:
            return completed and self.output.is_taken()
        return self.known and (completed or self.last is None) and self.output.is_whole()

    @property
    def steps(self) -> list[Step]:
        """The lines of the plan, in the order in which they are done."""
        bucket, role, machines = self.bucket, self.role, self.machines
        job = f"{machines.instances} × {machines.instance_type}, {machines.concurrency} requests at a time in each"
        work = [] if self.raw else [Step("create", "shards", self.place.url("shards"), f"{self.shards:,}")]
        attempt = self.last.name if self.last and self.last.status in ACTIVE else f"{self.attempts}…"
        return [
            Step("read", "input", self.source.address, f"{self.survey.count:,} files"),
            Step(made(bucket.exists, bucket.blocked), "bucket", bucket.name, "public access blocked"),
            Step(made(role.exists, is_right(role, self.scope)), "role", role.name, role.origin),
            Step(made(self.uploaded), "artifact", self.artifact_key, f"{self.artifact.size / 1e6:.1f} MB"),
            Step(made(self.model_exists), "model", self.model, joined(self.scope.image, self.wish.network_note)),
            *work,
            Step(
                "keep" if "…" not in attempt else "create",
                "transform job",
                attempt,
                joined(job, self.wish.storage_note),
            ),
            Step("create", "output", self.output.address),
        ]


def objects_of(survey: Survey, raw: bool) -> int:
    """How many objects the instances share; one more instance than these would do nothing."""
    return survey.count if raw else -(-survey.count // SHARD_IMAGES)


def attempts(name: str, job: str) -> str:
    """What the names of a job's attempts begin with; three digits follow, and the whole is 63 characters at most."""
    return f"{name}-{job}-"


def make_plan(aws: Aws, wanted: Job) -> Plan:
    """The plan. Raises Refused, NotFound, NotOurs or AwsRefused; changes nothing."""
    wish = batch_wish(wanted.wish)
    image = wish.image_uri(aws.region)
    check_image(aws, wish, image)
    source = source_of(aws, wanted.source)
    output = output_of(aws, wanted.output, source.address)
    check_raw(wanted, source)
    bucket, artifact = find_bucket(aws, wanted.bucket), pack(wish.target, wanted.model_dir, wanted.code_dir)
    described = read_model(wanted.model_dir)
    job = job_id(wanted, source.address, output.address, image, artifact.sha256, bucket.name)
    place = Place(aws, bucket.name, wish.endpoint, job)
    role, scope = planned_role(aws, wish, wanted.role, planned_scope(aws, wanted, wish, bucket, image, source, output))
    key = f"{place.folder}model.tar.gz"
    made_of = {"container": container(wish, image, f"s3://{bucket.name}/{key}"), "role": role.arn, "job": job}
    made_of |= network(wish)
    model = names.content_name(wish.endpoint, made_of)
    counted = survey(aws, source)
    last = latest(aws, attempts(wish.endpoint, job))
    return Plan(
        wish=wish,
        job=job,
        raw=wanted.raw,
        source=source,
        output=output,
        survey=counted,
        machines=Machines(
            wish.machine or "", min(wish.instances, max(1, objects_of(counted, wanted.raw))), wish.kms_key
        ),
        described=described,
        min_score=described.min_score if wanted.min_score is None else wanted.min_score,
        role=role,
        bucket=bucket,
        artifact=artifact,
        place=place,
        model=model,
        model_exists=exists(aws.sagemaker.describe_model, ModelName=model),
        uploaded=bucket.exists and has_artifact(aws, bucket.name, key, artifact),
        scope=scope,
        last=last,
        known=last is not None or not place.is_empty(),
    )


def batch_wish(wish: Wish) -> Wish:
    """The wish under the batch jobs' name. Raises Refused for what Batch Transform does not run on."""
    wish = check(replace(wish, endpoint=names.batch_name(wish.endpoint)))
    if family(wish.machine or "") not in FAMILIES:
        raise Refused(
            f"Batch Transform does not run our image on {wish.machine}.",
            hint=f"The families {', '.join(FAMILIES)} fit, from .large.",
        )
    return wish


def check_raw(wanted: Job, source: Source) -> None:
    """Raises Refused for images that SageMaker cannot read where they lie, and answers that it cannot write."""
    if not wanted.raw:
        return
    in_place = isinstance(source, Prefix) or source.address.endswith(".manifest")
    if not (source.address.startswith(S3) and in_place and wanted.output.startswith(S3)):
        raise Refused("--raw reads and writes S3 itself: INPUT is a prefix or a .manifest there, OUTPUT a prefix.")
    if wanted.role is None:
        raise Refused(
            "--raw needs --role: the role that is made for you reads no images.",
            hint="Name one with s3:GetObject on INPUT, s3:PutObject on OUTPUT and s3:ListBucket on both buckets.",
        )


def planned_scope(
    aws: Aws, wanted: Job, wish: Wish, bucket: Bucket, image: str, source: Source, output: Output
) -> Scope:
    """What the policies are about; with --raw the job itself touches images and answers."""
    reads = (source.address.removeprefix(S3),) if source.address.startswith(S3) else ()
    writes = (output.address.removeprefix(S3),) if output.address.startswith(S3) else ()
    return replace(
        own_scope(aws, wish.endpoint),
        buckets=(bucket.name,),
        keys=(bucket.key,) if bucket.key else (),
        images=(image,),
        batch=True,
        vpc=bool(wish.subnets),
        volume_key=wish.kms_key or "",
        reads=reads if wanted.raw else (),
        writes=writes if wanted.raw else (),
    )


def job_id(wanted: Job, *about: str) -> str:
    """Eight characters of what is done: the same command goes on with the same job, on however many machines."""
    told = json.dumps([*about, wanted.role, wanted.raw, wanted.wish.environment], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def read_model(model_dir: Path) -> Model:
    """How a model folder describes its model, by the folder's name where it says none. Raises Refused."""
    try:
        described = json.loads((model_dir / MANIFEST).read_bytes())
        return Model.model_validate({"name": model_dir.name, **described})
    except (OSError, ValueError, TypeError) as error:
        raise Refused(
            f"There is no {MANIFEST} that describes a model in {model_dir}.",
            hint="docs/endpoint.md says what it has.",
        ) from error
