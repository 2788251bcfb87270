"""The options that commands share, each declared once as a field; `takes` puts them on a command.

Typer has no groups of options: without this every command would repeat twenty parameters.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from deploy.artifact import BUNDLED_MODEL, HOOKS
from deploy.errors import Refused
from deploy.rollout import Guard, Limits
from deploy.smoke import Question
from deploy.targets import ACCELERATORS, TARGETS
from deploy.wish import Wish

MOST = 50  # a canary is at most half of the instances


def option(*names: str, text: str, **more: Any) -> Any:
    """A typer option with its help."""
    return typer.Option(*names, help=text, **more)


def pairs(given: list[str] | None, name: str) -> dict[str, str] | None:
    """KEY=VALUE options as a table, or None where none were given. Raises Refused."""
    if given is None:
        return None
    if any("=" not in pair for pair in given):
        raise Refused(f"{name} takes KEY=VALUE.")
    return dict(pair.split("=", 1) for pair in given)


Yes = Annotated[bool, option("--yes", "-y", text="Do not ask. Without a terminal nothing is done without it.")]
NoSmoke = Annotated[bool, option("--no-smoke", text="Trust AWS's InService.")]
Bucket = Annotated[str | None, option(text="Bucket of the artifact. Default: sagemaker-REGION-ACCOUNT.")]

Subnets = Annotated[list[str] | None, option("--subnet", text="Subnet of the container's VPC; may be repeated.")]
SecurityGroups = Annotated[list[str] | None, option("--security-group", text="Its security group; may be repeated.")]
KmsKey = Annotated[str | None, option(text="ARN of the KMS key that encrypts the instances' disks.")]


@dataclass(frozen=True)
class Common:
    """What every command takes."""

    endpoint_name: Annotated[str, option(text="The endpoint's name.", envvar="DETECT_ENDPOINT_NAME")] = "detect-gateway"
    region: Annotated[str | None, option(text="AWS region; unset, the profile's.", envvar="AWS_REGION")] = None
    profile: Annotated[str | None, option(text="Profile of the AWS credentials.")] = None
    as_json: Annotated[bool, option("--json", text="One JSON document on stdout, and nothing else.")] = False
    poll_seconds: Annotated[float, option(text="Pause between looks at AWS.", min=0.01)] = 5.0
    timeout_minutes: Annotated[float, option(text="How long to wait for AWS.", min=0.01)] = 60.0


@dataclass(frozen=True)
class Wanted:
    """What `plan`, `up` and `update` build. None keeps what an update finds, or is the target's default."""

    target: Annotated[str | None, option(text=f"Where it runs: {', '.join(TARGETS)}. Default: cpu.")] = None
    image: Annotated[str | None, option(text="URI of the container image in ECR.")] = None
    model_dir: Annotated[Path | None, option(text="Folder of the weights. Default: the bundled detector.")] = None
    empty_artifact: Annotated[
        bool, option("--empty-artifact", text="No weights: the container fetches GluonCV's, as in the original.")
    ] = False
    code_dir: Annotated[Path, option(text="Folder of the hooks.", show_default=False)] = HOOKS
    instance_type: Annotated[str | None, option(text="Such as ml.c6i.large. Default: the target's.")] = None
    instances: Annotated[int | None, option(text=f"Instances at the start. Default: {Wish.instances}.")] = None
    memory_mb: Annotated[int | None, option(text=f"Serverless memory. Default: {Wish.memory_mb}.")] = None
    concurrency: Annotated[int | None, option(text=f"Serverless concurrent requests. Default: {Wish.concurrency}.")] = (
        None
    )
    payload_mb: Annotated[
        float | None, option(text=f"Largest request that the gateway will send. Default: {Wish.payload_mb:g}.")
    ] = None
    accelerator: Annotated[str | None, option(text=f"Elastic Inference: {', '.join(ACCELERATORS)}.")] = None
    legacy_elastic_inference: Annotated[
        bool, option("--legacy-elastic-inference", text="Try Elastic Inference although AWS has withdrawn it.")
    ] = False
    env: Annotated[list[str] | None, option(text="KEY=VALUE for the container; may be repeated.")] = None
    provisioned_concurrency: Annotated[int | None, option(text="Serverless requests that never wait.")] = None
    subnet: Subnets = None
    security_group: SecurityGroups = None
    network_isolation: Annotated[
        bool | None, option("--network-isolation/--no-network-isolation", text="No network for the container.")
    ] = None
    kms_key: KmsKey = None
    capture_to: Annotated[str | None, option(text="Keep requests and responses under s3://BUCKET/PREFIX.")] = None
    capture_percent: Annotated[
        int | None, option(text=f"How many of them in percent. Default: {Wish.capture_percent}.")
    ] = None
    tag: Annotated[list[str] | None, option(text="KEY=VALUE tag of what is made; may be repeated.")] = None
    role: Annotated[str | None, option(text="Execution role, by name or ARN. Default: this machine's, or our own.")] = (
        None
    )
    bucket: Bucket = None

    def weights(self) -> Path | None:
        """The folder to pack for a new endpoint; None for the empty artifact."""
        if self.empty_artifact and self.model_dir is not None:
            raise Refused("--empty-artifact and --model-dir exclude each other.")
        return None if self.empty_artifact else self.model_dir or BUNDLED_MODEL


@dataclass(frozen=True)
class Asked:
    """What `smoke`, and the smoke test of `up` and `update`, post and expect."""

    test_image: Annotated[Path, option(text="Image to post.", show_default="a portrait in the public domain")] = (
        Question.image
    )
    short: Annotated[int | None, option(text="Side N of the N×N image. Default: the model's.", min=32, max=1024)] = None
    requests: Annotated[int, option(text="Timed requests after the first.", min=0)] = Question.requests
    min_score: Annotated[float, option(text="Minimum score of a box that counts.", min=0.01, max=1)] = (
        Question.min_score
    )
    min_boxes: Annotated[int, option(text="Fail with fewer boxes than this.", min=0)] = Question.min_boxes
    max_latency_ms: Annotated[float | None, option(text="Fail when the median request takes longer.")] = None

    def question(self, input_size: int) -> Question:
        """The question, for a model of this input size."""
        side = self.short or input_size
        return Question(self.test_image, side, self.requests, self.min_score, self.min_boxes, self.max_latency_ms)


@dataclass(frozen=True)
class Canary:
    """What `update` takes of a canary."""

    canary: Annotated[
        int | None, option(text="Percentage of the instances that gets traffic first; alarms roll it back.", min=1)
    ] = None
    canary_minutes: Annotated[float, option(text="How long the alarms watch.", min=1, max=60)] = Guard.minutes
    canary_errors: Annotated[float, option(text="Share of failed invocations that is healthy.", min=0, max=1)] = (
        Limits.errors
    )
    canary_latency_ms: Annotated[float, option(text="p90 of the model's time that is healthy.", min=1)] = (
        Limits.latency_ms
    )

    def guard(self) -> Guard | None:
        """The canary and its alarms, if one was asked for. Raises Refused."""
        if self.canary is None and self != Canary():
            raise Refused("The other --canary options say how the alarms of --canary watch.")
        if self.canary is None:
            return None
        if self.canary > MOST:
            raise Refused(f"A canary is at most half of the instances: --canary 1 to {MOST}.")
        return Guard(self.canary, self.canary_minutes, Limits(self.canary_errors, self.canary_latency_ms))


def takes(**groups: type[Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of its groups: it gets one object for each."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [p for p in inspect.signature(command).parameters.values() if p.name not in groups]
        shared = [parameter for group in groups.values() for parameter in parameters(group)]

        def run(**values: Any) -> None:
            made = {
                name: group(**{f.name: values.pop(f.name) for f in fields(group)}) for name, group in groups.items()
            }
            command(**made, **values)

        flat = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in (*own, *shared)]
        run.__name__, run.__doc__ = command.__name__, command.__doc__
        run.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined] # what typer reads
        run.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
        return run

    return decorate


def parameters(group: type[Any]) -> list[inspect.Parameter]:
    """A group's fields as parameters."""
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=hints[f.name])
        for f in fields(group)
    ]
