"""A batch job from the first file to the last row. Every step may find its work done by an earlier run."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, until_visible
from deploy.batch.answers import Reader
from deploy.batch.output import Shards
from deploy.batch.pack import SHARD_IMAGES, pack
from deploy.batch.plan import Plan
from deploy.batch.price import Price
from deploy.batch.transform import ACTIVE, Transform, attempt_after, create, lines_job, raw_job, stop, wait
from deploy.bucket import ensure_bucket, objects, parts_of, upload
from deploy.configuration import container, create_model
from deploy.errors import NotFound, Refused
from deploy.role import ensure_role


@dataclass
class Tally:
    """What became of the files. Nothing is counted with --raw, or where an earlier run had written all."""

    files: int = 0
    objects: int = 0
    problems: int = 0
    seconds: float = 0.0
    first_problem: str = ""


def check_start(plan: Plan) -> None:
    """Raises Refused where there is nothing to do, or OUTPUT is something else's."""
    if not plan.survey.count:
        raise Refused(f"There are no files in {plan.source.address}.")
    if not plan.known and plan.output.is_taken():
        raise Refused(f"{plan.output.address} is there already.", hint="Name another OUTPUT, or delete it.")


def run(aws: Aws, plan: Plan, price: Price) -> Tally:
    """The output, whole, and nothing left of what made it. Raises TransformFailed, TimedOut, AwsRefused and its kin.

    What fails stays for the next run, or for `abandon`.
    """
    tally = Tally()
    if not plan.is_done:
        if plan.last and plan.last.status in ACTIVE:
            tally.seconds += awaited(aws, plan, price, plan.last)
        transform_raw(aws, plan, price, tally) if plan.raw else transform_packed(aws, plan, price, tally)
    clear(aws, plan)
    return tally


def transform_raw(aws: Aws, plan: Plan, price: Price, tally: Tally) -> None:
    """The answers beside one another in OUTPUT, as SageMaker writes them. A job that has just ended needs no other."""
    if tally.seconds == 0:
        build(aws, plan)
        job = raw_job(plan.machines, plan.source.address, plan.output.address)
        tally.seconds += awaited(aws, plan, price, started(aws, plan, job))


def transform_packed(aws: Aws, plan: Plan, price: Price, tally: Tally) -> None:
    """All files packed, those shards transformed that have no answer yet, and the rows written."""
    build(aws, plan)
    shards = pack(plan.place, plan.source, plan.described, packing(aws, plan))
    aws.report(f"packed {plan.survey.count:,} files in {len(shards):,} shards", done=1.0)
    if unanswered(plan, set(shards)):
        job = lines_job(plan.machines, plan.place.url("shards"), plan.place.url("answers"))
        tally.seconds += awaited(aws, plan, price, started(aws, plan, job))
    collect(aws, plan, tally)


def build(aws: Aws, plan: Plan) -> None:
    """Bucket, role, artifact and model."""
    ensure_bucket(aws, plan.bucket)
    aws.report(f"bucket {plan.bucket.name}", done=1.0)
    role = ensure_role(aws, plan.role, plan.scope, plan.wish.tags)
    aws.report(f"role {plan.role.name}", done=1.0)
    if not plan.uploaded:
        upload(aws, plan.bucket.name, plan.artifact_key, plan.artifact)
    if not plan.model_exists:
        made_of = container(plan.wish, plan.scope.image, f"s3://{plan.bucket.name}/{plan.artifact_key}")
        tags = names.batch_tags(plan.name, **plan.wish.tags)
        until_visible(aws, lambda: create_model(aws, plan.wish, plan.model, made_of, role, tags), "model")
    aws.report(f"model {plan.model}", done=1.0)


def packing(aws: Aws, plan: Plan) -> Callable[[int], None]:
    """What says how far packing is."""
    total = plan.survey.count

    def tell(done: int) -> None:
        aws.report(f"packing: {done:,} of {total:,} files", done=min(0.99, done / max(1, total)))

    return tell


def unanswered(plan: Plan, shards: set[str]) -> bool:
    """Whether any shard waits for its answer; what another input left, and what has its answer, is removed first."""
    place = plan.place
    answered = set(place.listed("answers"))
    place.remove("index", set(place.listed("index")) - shards)
    sent = set(place.listed("shards"))
    place.remove("shards", (sent - shards) | (sent & answered))
    return bool((sent & shards) - answered)


def started(aws: Aws, plan: Plan, job: dict[str, Any]) -> Transform:
    """The next attempt."""
    name = attempt_after(plan.attempts, plan.last)
    return create(aws, name, plan.model, job, names.batch_tags(plan.name, **plan.wish.tags))


def awaited(aws: Aws, plan: Plan, price: Price, job: Transform) -> float:
    """The seconds that a job took, once it is done. Raises TransformFailed, TimedOut."""
    sent = set() if plan.raw else set(plan.place.listed("shards"))
    job = wait(aws, job, lambda now: progress(aws, plan, price, now, sent))
    aws.report(f"transform job {job.name}: {job.status}", done=1.0)
    return max(job.seconds, 1.0)


def progress(aws: Aws, plan: Plan, price: Price, job: Transform, sent: set[str]) -> str:
    """Says how far a job is: images, images a second of this attempt, cost so far."""
    done, new = answered(aws, plan, sent)
    text = f"transform job {job.name}: {job.status}, {done:,} of {plan.survey.count:,} images"
    if new and job.seconds:
        text += f", {new / job.seconds:.1f} a second"
    if (spent := price.spent(job.seconds)) is not None:
        text += f", ${spent:.2f} so far"
    aws.report(text, done=min(0.99, done / max(1, plan.survey.count)))
    return f"{job.status} {done}"


def answered(aws: Aws, plan: Plan, sent: set[str]) -> tuple[int, int]:
    """How many images have their answers, to a shard; and how many of those that this attempt was sent."""
    if plan.raw:
        done = sum(found.key.endswith(".out") for found in objects(aws, *parts_of(plan.output.address)))
        return done, done
    shards = list(plan.place.listed("answers"))
    done, new = len(shards), sum(shard in sent for shard in shards)
    return min(plan.survey.count, SHARD_IMAGES * done), min(plan.survey.count, SHARD_IMAGES * new)


def collect(aws: Aws, plan: Plan, tally: Tally) -> None:
    """Writes the output, a shard at a time."""
    reader = Reader(plan.place, plan.described, plan.min_score)

    def counted() -> Shards:
        for shard, rows in reader.shards():
            for row in rows:
                tally.files += 1
                tally.objects += len(row.detections)
                if row.problem:
                    tally.problems += 1
                    tally.first_problem = tally.first_problem or f"{row.name}: {row.problem['detail']}"
            aws.report(f"collecting: {tally.files:,} of {plan.survey.count:,} files")
            yield shard, rows

    plan.output.write(counted(), plan.described, plan.survey.numbered)
    aws.report(f"wrote {plan.output.address}", done=1.0)


def clear(aws: Aws, plan: Plan) -> None:
    """Removes the model and all that the job has in the bucket. The role and the bucket stay."""
    with suppress(NotFound):
        call(aws.sagemaker.delete_model, ModelName=plan.model)
    plan.place.clear()
    aws.report("deleted the model, the shards and the answers in between", done=1.0)


def abandon(aws: Aws, plan: Plan) -> None:
    """Stops the job where it is, and removes all that it made."""
    if plan.last:
        stop(aws, plan.last)
    clear(aws, plan)
