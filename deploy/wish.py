"""What the operator wants, checked before AWS hears of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from deploy.errors import Refused
from deploy.targets import ACCELERATORS, ELASTIC_INFERENCE_ENDED, GPU, TARGETS, Target, registry

MEMORY_SIZES = range(1024, 6144 + 1, 1024)
ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,49}")  # models and configurations add 13 characters


@dataclass(frozen=True)
class Wish:
    """One endpoint as it should be. Unset means the target's default."""

    endpoint: str
    target: Target
    image: str | None = None
    instance_type: str | None = None
    instances: int = 1
    accelerator: str | None = None
    memory_mb: int = 2048
    concurrency: int = 5
    payload_mb: float = 1.0
    input_size: int = 512
    environment: Mapping[str, str] = field(default_factory=dict)
    legacy_elastic_inference: bool = False

    @property
    def machine(self) -> str | None:
        """The instance type, or None where AWS chooses."""
        return self.instance_type or self.target.instance_type

    @property
    def attached(self) -> str | None:
        """The Elastic Inference accelerator, if any."""
        return self.accelerator or self.target.accelerator

    @property
    def machine_note(self) -> str:
        """What the endpoint runs on, in words."""
        if self.target.serverless:
            return f"serverless, {self.memory_mb} MB, {self.concurrency} at once"
        attached = f" with {self.attached}" if self.attached else ""
        return f"{self.instances} × {self.machine}{attached}"

    def image_uri(self, region: str) -> str:
        """The container's image. Raises Refused where the operator has to name it."""
        image = self.image or default_image(self.target, region)
        if image is None and self.target.image:
            refuse(
                f"AWS keeps no MXNet image in {region} that is known here.",
                hint="Name one with --image, or choose --target cpu with our own image.",
            )
        if image is None:
            refuse(
                f"The target {self.target.name} runs our own image, and no --image was given.",
                hint="`detect-deploy image` builds and pushes it, and prints what --image takes.",
            )
        return image


def default_image(target: Target, region: str) -> str | None:
    """AWS's own image of a target in a region; None where there is none, or the image is the operator's."""
    host = registry(region)
    return f"{host}/{target.image}" if host and target.image else None


def target_named(name: str) -> Target:
    """The row of the table. Raises Refused for a name that is not in it."""
    if name not in TARGETS:
        raise Refused(f"There is no target {name}.", hint=f"One of: {', '.join(TARGETS)}.")
    return TARGETS[name]


def check(wish: Wish) -> Wish:
    """The wish itself. Raises Refused where it asks for what cannot be."""
    check_name(wish.endpoint)
    check_accelerator(wish)
    check_machine(wish)
    check_sizes(wish)
    return wish


def check_name(endpoint: str) -> None:
    """Raises Refused for a name that SageMaker, or ours built on it, would not take."""
    if not ENDPOINT_NAME.fullmatch(endpoint):
        refuse(f"{endpoint!r} is no endpoint name: letters, digits and inner hyphens, 50 at most.")


def check_accelerator(wish: Wish) -> None:
    """Raises Refused for an accelerator on the wrong target, an unknown one, or one that was not asked for by name."""
    if wish.attached is None:
        return
    if wish.target.serverless:
        refuse("A serverless endpoint cannot have an Elastic Inference accelerator.", hint="Drop --accelerator.")
    if wish.target.accelerator is None:
        refuse(f"The target {wish.target.name} has no Elastic Inference in its image.", hint="Use --target eia.")
    if wish.attached not in ACCELERATORS:
        refuse(f"There is no accelerator {wish.attached}.", hint=f"There were: {', '.join(ACCELERATORS)}.")
    if not wish.legacy_elastic_inference:
        refuse(ELASTIC_INFERENCE_ENDED, hint="To try all the same, add --legacy-elastic-inference.")


def check_machine(wish: Wish) -> None:
    """Raises Refused for an instance type that the target's image cannot run on."""
    if wish.target.serverless and wish.instance_type is not None:
        kind = "GPU" if family(wish.instance_type) in GPU else "instance type"
        refuse(f"A serverless endpoint has no {kind}.", hint="Drop --instance-type, or choose a target with instances.")
    if wish.machine is not None and family(wish.machine) not in wish.target.families:
        fits = [target.name for target in TARGETS.values() if family(wish.machine) in target.families]
        hint = f"It fits --target {' or '.join(fits)}." if fits else "Names look like ml.c6i.large."
        refuse(f"The target {wish.target.name} cannot run on {wish.machine}.", hint=hint)


def check_sizes(wish: Wish) -> None:
    """Raises Refused for counts, memory or payload beyond what SageMaker takes."""
    if wish.instances < 1:
        refuse("An endpoint has at least one instance.")
    if wish.memory_mb not in MEMORY_SIZES:
        refuse(f"Serverless memory is one of {', '.join(map(str, MEMORY_SIZES))} MB.")
    if not 1 <= wish.concurrency <= 200:
        refuse("Serverless concurrency is 1 to 200.")
    if wish.payload_mb * 1024 * 1024 > wish.target.payload_limit:
        limit = wish.target.payload_limit / 1024 / 1024
        refuse(
            f"A request of {wish.payload_mb:g} MB is over SageMaker's limit of {limit:g} MB for {wish.target.title}."
        )


def family(instance_type: str) -> str:
    """`c6i` of `ml.c6i.large`; empty for anything else."""
    match = re.fullmatch(r"ml\.([a-z0-9]+)\.[a-z0-9]+", instance_type)
    return match[1] if match else ""


def refuse(message: str, hint: str = "") -> NoReturn:
    """Raises Refused."""
    raise Refused(message, hint=hint)


def changed(current: Wish, given: Mapping[str, object]) -> Wish:
    """The wish with what the operator gave; another target brings its own machine, image and accelerator."""
    target = given.get("target", current.target)
    if target != current.target:
        own_image = current.image if current.target.image is None else None
        current = replace(current, instance_type=None, accelerator=None, image=own_image, environment={})
    return replace(current, **given)  # type: ignore[arg-type] # the options carry the fields' own types
