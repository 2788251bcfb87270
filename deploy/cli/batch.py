"""`detect-deploy batch`."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from deploy.artifact import BUNDLED_MODEL, HOOKS, input_size
from deploy.aws import Aws
from deploy.batch.plan import Job, Plan, make_plan
from deploy.batch.policies import runner
from deploy.batch.price import Price, price
from deploy.batch.run import Tally, abandon, check_start, run
from deploy.cli.options import Common, Yes, option, pairs, takes
from deploy.cli.prepare import account
from deploy.cli.screen import Screen, answering
from deploy.cost.prices import read_prices
from deploy.errors import PermissionDenied
from deploy.policies import boundary, execution
from deploy.wish import Wish, target_named

TITLES = {
    "runner": "Policy of whoever runs batch jobs",
    "execution": "Policy of the execution role",
    "boundary": "Permissions boundary of the execution role, for an administrator to make",
}


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
        plan = make_plan(aws, wanted)
        cost = price(read_prices(), plan.machines, plan.survey.count, throughput, plan.requests)
        try:
            act(screen, aws, plan, cost, Doing(plan_only, abandon_job, yes))
        except PermissionDenied as error:
            error.documents = error.documents or {"the policy of whoever runs batch jobs": runner(plan)}
            raise


@dataclass(frozen=True)
class Doing:
    """What of it the operator asks for."""

    plan_only: bool
    abandon: bool
    yes: bool


def act(screen: Screen, aws: Aws, plan: Plan, cost: Price, doing: Doing) -> None:
    """Shows the plan, and does what is asked for."""
    show_plan(screen, plan, cost)
    if doing.plan_only:
        show_policies(screen, plan)
    elif doing.abandon:
        screen.confirm("Stop the job and delete all that it made?", doing.yes)
        abandon(aws, plan)
        screen.say("The job is stopped, and nothing of it is left.")
    else:
        check_start(plan)
        screen.confirm(f"Detect objects in {plan.survey.count:,} files?", doing.yes or plan.is_done)
        show_tally(screen, plan, run(aws, plan, cost), cost)


def show_plan(screen: Screen, plan: Plan, cost: Price) -> None:
    """The plan's lines and its price."""
    steps = plan.steps
    screen.answer |= {
        "job": f"{plan.name}-{plan.job}",
        "plan": [asdict(step) for step in steps],
        "cost": cost.as_dict(),
    }
    screen.table("Plan", ("", "what", "name", ""), [(s.action, s.kind, s.name, s.note) for s in steps])
    screen.say(cost.line())


def show_policies(screen: Screen, plan: Plan) -> None:
    """The documents of whoever runs the job, and of what it runs as."""
    found = {"runner": runner(plan), "execution": execution(plan.scope), "boundary": boundary(plan.scope)}
    screen.answer["policies"] = found
    for name, title in TITLES.items():
        screen.document(title, found[name])


def show_tally(screen: Screen, plan: Plan, tally: Tally, cost: Price) -> None:
    """What became of the files."""
    spent = cost.spent(tally.seconds)
    screen.answer |= {"output": plan.output.address, "result": asdict(tally), "spent": spent}
    if tally.files:
        screen.say(f"{tally.files:,} files: {tally.objects:,} objects, {tally.problems:,} files with a problem.")
    if tally.problems:
        screen.say(f"The first problem: {tally.first_problem}")
    if tally.seconds and spent is not None:
        screen.say(f"The machines worked for {tally.seconds / 60:.0f} minutes: ${spent:.2f}.")
    screen.say(f"Answers: {plan.output.address}")
