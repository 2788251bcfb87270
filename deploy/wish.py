"""The endpoint that the operator asks for, checked before the first request to AWS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn

from deploy.errors import Refused
from deploy.targets import ACCELERATORS, ELASTIC_INFERENCE_ENDED, GPU, INPUT_SIZE, NVME, TARGETS, Target, registry

MEMORY_SIZES = range(1024, 6144 + 1, 1024)
ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
LONGEST_NAME = 50  # models, configurations and transform jobs add 13 characters


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
    input_size: int = INPUT_SIZE
    environment: Mapping[str, str] = field(default_factory=dict)
    legacy_elastic_inference: bool = False
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    isolated: bool = False
    kms_key: str | None = None
    capture_to: str | None = None
    capture_percent: int = 100
    provisioned: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def machine(self) -> str | None:
        """The instance type, or None where AWS chooses."""
        return self.instance_type or self.target.instance_type

    @property
    def attached(self) -> str | None:
        """The Elastic Inference accelerator, if any."""
        return self.accelerator or self.target.accelerator

    @property
    def network_note(self) -> str:
        """What the container reaches, in words; empty for the internet."""
        vpc = f"in {', '.join(self.subnets)}" if self.subnets else ""
        return ", ".join(filter(None, (vpc, "network isolation" if self.isolated else "")))

    @property
    def storage_note(self) -> str:
        """What is encrypted and captured, in words."""
        key = f"encrypted with {self.kms_key}" if self.kms_key else ""
        captured = f"{self.capture_percent} % captured to {self.capture_to}" if self.capture_to else ""
        return ", ".join(filter(None, (key, captured)))

    @property
    def tags_note(self) -> str:
        """The operator's tags, in words."""
        return ", ".join(f"{key}={value}" for key, value in self.tags.items())

    @property
    def machine_note(self) -> str:
        """What the endpoint runs on, in words."""
        if self.target.serverless:
            ready = f", {self.provisioned} always ready" if self.provisioned else ""
            return f"serverless, {self.memory_mb} MB, {self.concurrency} at once{ready}"
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
    check_network(wish)
    check_storage(wish)
    return wish


def check_name(endpoint: str) -> None:
    """Raises Refused for a name that SageMaker, or ours built on it, would not take."""
    if len(endpoint) > LONGEST_NAME or not ENDPOINT_NAME.fullmatch(endpoint):
        refuse(f"{endpoint!r} is no endpoint name: letters, digits and inner hyphens, {LONGEST_NAME} at most.")


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


def check_network(wish: Wish) -> None:
    """Raises Refused for half a VPC, and for what serverless endpoints do not have."""
    if bool(wish.subnets) != bool(wish.security_groups):
        refuse("A VPC needs both --subnet and --security-group.")
    if wish.target.serverless and (wish.subnets or wish.isolated):
        refuse("A serverless endpoint has neither a VPC nor network isolation.", hint="Choose a target with instances.")
    if wish.isolated and wish.target.requirements and wish.image is None:
        refuse(
            f"The target {wish.target.name} installs GluonCV at its start, which network isolation forbids.",
            hint="Choose --target cpu, or name an image that has it with --image.",
        )


def check_storage(wish: Wish) -> None:
    """Raises Refused for keys, captures and provisioned concurrency that SageMaker would not take."""
    if wish.kms_key and not re.fullmatch(r"arn:[\w-]+:kms:[\w-]+:\d{12}:key/[\w-]+", wish.kms_key):
        refuse("--kms-key is the ARN of a KMS key.")
    if wish.kms_key and (kind := family(wish.machine or "")) in NVME:
        refuse(f"Instances of the family {kind} encrypt their disks with a key of their own.", hint="Drop --kms-key.")
    if wish.capture_to and not re.fullmatch(r"s3://[a-z0-9.-]{3,63}/\S+", wish.capture_to):
        refuse("--capture-to is s3://BUCKET/PREFIX.")
    if wish.capture_to and wish.target.serverless:
        refuse("A serverless endpoint captures no data.", hint="Drop --capture-to, or choose a target with instances.")
    if not 1 <= wish.capture_percent <= 100:
        refuse("--capture-percent is 1 to 100.")
    if wish.capture_percent != Wish.capture_percent and not wish.capture_to:
        refuse("--capture-percent says how much is captured: --capture-to has to say where.")
    if wish.provisioned is not None and not wish.target.serverless:
        refuse("Only a serverless endpoint has provisioned concurrency.", hint="Drop --provisioned-concurrency.")
    if wish.provisioned is not None and not 1 <= wish.provisioned <= wish.concurrency:
        refuse("--provisioned-concurrency is 1 to --concurrency.")


SERVERLESS_ALONE, INSTANCES_ALONE = ("memory_mb", "concurrency"), ("instances",)


def check_given(target: Target, given: Mapping[str, object]) -> None:
    """Raises Refused for an option that the target has no use for."""
    for name in INSTANCES_ALONE if target.serverless else SERVERLESS_ALONE:
        if name in given:
            refuse(f"The target {target.name} has no --{name.replace('_', '-')}.")


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
        bare = replace(current, instance_type=None, accelerator=None, provisioned=None)
        current = replace(bare, image=own_image, environment={})
    return replace(current, **given)  # type: ignore[arg-type] # the options carry the fields' own types
