"""`detect-deploy batch`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from deploy.artifact import BUNDLED_MODEL, HOOKS, input_size
from deploy.cli.options import Common, KmsKey, SecurityGroups, Subnets, Yes, option, pairs, takes
from deploy.cli.prepare import account
from deploy.cli.screen import answering
from deploy.wish import Wish, target_named


@dataclass(frozen=True)
class Machinery:
    """What a batch job runs, and on what."""

    image: Annotated[str | None, option(text="URI of the container image in ECR.")] = None
    model_dir: Annotated[Path, option(text="Folder of the weights.", show_default="the bundled detector")] = (
        BUNDLED_MODEL
    )
    code_dir: Annotated[Path, option(text="Folder of the hooks.", show_default=False)] = HOOKS
    instance_type: Annotated[str | None, option(text="Of the families c6i, c7i, m6i, m7i. Default: ml.c6i.large.")] = (
        None
    )
    instances: Annotated[int, option(text="Instances that share the work.", min=1)] = 1
    env: Annotated[list[str] | None, option(text="KEY=VALUE for the container; may be repeated.")] = None
    tag: Annotated[list[str] | None, option(text="KEY=VALUE on all that is made; may be repeated.")] = None
    role: Annotated[str | None, option(text="Execution role, by name or ARN. Default: this machine's, or our own.")] = (
        None
    )
    bucket: Annotated[str | None, option(text="Bucket of the shards. Default: sagemaker-REGION-ACCOUNT.")] = None
    subnet: Subnets = None
    security_group: SecurityGroups = None
    network_isolation: Annotated[bool, option("--network-isolation", text="No network for the container.")] = False
    kms_key: KmsKey = None

    def wish(self, endpoint: str) -> Wish:
        """The same as a wish. Raises Refused."""
        return Wish(
            endpoint,
            target_named("cpu"),
            image=self.image,
            instance_type=self.instance_type,
            instances=self.instances,
            input_size=input_size(self.model_dir),
            environment=pairs(self.env, "--env") or {},
            tags=pairs(self.tag, "--tag") or {},
            subnets=tuple(self.subnet or ()),
            security_groups=tuple(self.security_group or ()),
            isolated=self.network_isolation,
            kms_key=self.kms_key,
        )


@takes(common=Common, machinery=Machinery)
def command(
    common: Common,
    machinery: Machinery,
    source: Annotated[str, typer.Argument(metavar="INPUT", help="s3://BUCKET/PREFIX, a folder, or a manifest.")],
    output: Annotated[
        str,
        typer.Argument(metavar="OUTPUT", help="A file (.json: COCO's results, else JSON lines) or s3://BUCKET/PREFIX."),
    ],
    yes: Yes = False,
    plan_only: Annotated[bool, option("--plan", text="Show plan, price and policies. Touches nothing.")] = False,
    abandon_job: Annotated[bool, option("--abandon", text="Stop this job and delete all that it made.")] = False,
    raw: Annotated[bool, option("--raw", text="Transform the images where they lie in S3, without packing.")] = False,
    min_score: Annotated[
        float | None, option(text="Confidence threshold. Default: the model's.", min=0.01, max=1)
    ] = None,
    throughput: Annotated[
        float | None, option(text="Images a second of one instance, for the price.", min=0.01)
    ] = None,
) -> None:
    """Detect objects in many images by SageMaker Batch Transform, or go on where an earlier run was stopped."""
    from deploy.batch.plan import Job
    from deploy.cli.batch_job import Doing, do  # half a second of imports that no other command needs

    with answering(common.as_json, "batch … --abandon") as screen:
        aws = account(common, screen)
        wanted = Job(
            source,
            output,
            machinery.wish(common.endpoint_name),
            machinery.model_dir,
            machinery.code_dir,
            min_score,
            machinery.role,
            machinery.bucket,
            raw,
        )
        do(screen, aws, wanted, Doing(plan_only, abandon_job, yes, throughput))
