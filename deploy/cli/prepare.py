"""From the options of a command to an account, a plan and a smoke test."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from deploy.artifact import Artifact, input_size, pack
from deploy.aws import Aws, connect
from deploy.cli.options import Asked, Common, Wanted, pairs
from deploy.cli.screen import Screen
from deploy.configuration import Current, read_current
from deploy.endpoint import Endpoint, existing, ours
from deploy.errors import Refused
from deploy.example import example_account, example_image
from deploy.plan import Choices, Plan, make_plan, plan_with_image
from deploy.rollout import Guard
from deploy.smoke import smoke
from deploy.wish import Wish, changed, check, check_given, default_image, target_named

SERVING = ("InService", "Updating", "SystemUpdating", "RollingBack")


def account(common: Common, screen: Screen) -> Aws:
    """The account that the options name. Raises Refused, Unreachable."""
    patience = {"poll": common.poll_seconds, "limit": common.timeout_minutes * 60}
    return connect(common.region, common.profile, report=screen.report, hear=screen.hear, **patience)


def new_wish(common: Common, wanted: Wanted) -> Wish:
    """The wish for a new endpoint, checked. Raises Refused."""
    given = given_options(wanted)
    target = given.pop("target", target_named("cpu"))
    check_given(target, given)
    return check(Wish(common.endpoint_name, target, **given))


# The wish's fields whose options are named otherwise.
RENAMED = {"isolated": "network_isolation", "provisioned": "provisioned_concurrency"}
PLAIN = (
    *("image", "instance_type", "instances", "memory_mb", "concurrency", "payload_mb", "accelerator"),
    *("isolated", "kms_key", "capture_to", "capture_percent", "provisioned"),
)


def given_options(wanted: Wanted) -> dict[str, Any]:
    """The wish's fields that the operator gave."""
    found = {
        **{name: getattr(wanted, RENAMED.get(name, name)) for name in PLAIN},
        "target": wanted.target and target_named(wanted.target),
        "legacy_elastic_inference": wanted.legacy_elastic_inference or None,
        "environment": pairs(wanted.env, "--env"),
        "tags": pairs(wanted.tag, "--tag"),
        "subnets": wanted.subnet and tuple(wanted.subnet),
        "security_groups": wanted.security_group and tuple(wanted.security_group),
    }
    return {name: value for name, value in found.items() if value is not None}


def plan_new(aws: Aws, common: Common, wanted: Wanted) -> Plan:
    """The plan for a new endpoint, with its artifact packed. Raises Refused before AWS is asked for what cannot be."""
    wish = new_wish(common, wanted)
    wish.image_uri(aws.region)
    return make_plan(aws, *packed(wish, wanted))


def plan_example(common: Common, wanted: Wanted) -> Plan:
    """The plan for a new endpoint in the example account. Raises Refused."""
    aws = example_account(common.region)
    wish = new_wish(common, wanted)
    wish = replace(wish, image=wish.image or default_image(wish.target, aws.region) or example_image(aws))
    return plan_with_image(aws, *packed(wish, wanted))


def packed(wish: Wish, wanted: Wanted) -> tuple[Wish, Choices]:
    """The wish with the model's input size, and the choices with the model as an artifact. Raises Refused."""
    folder = wanted.weights()
    choices = Choices(pack(wish.target, folder, wanted.code_dir), role=wanted.role, bucket=wanted.bucket)
    return replace(wish, input_size=input_size(folder)), choices


def plan_change(aws: Aws, common: Common, wanted: Wanted, guard: Guard | None = None) -> tuple[Plan, Current]:
    """The plan that changes an endpoint only where the operator says so, and what it runs now. Raises NotFound."""
    current = read_existing(aws, common)
    given = given_options(wanted)
    wish = check(changed(current.wish, given))
    check_given(wish.target, given)
    bucket = current.artifact.split("/")[2]
    artifact = new_artifact(wish, wanted, bucket)
    if artifact is not None:
        wish = replace(wish, input_size=input_size(wanted.weights()))
    recounts = wanted.instances is not None
    choices = Choices(artifact, current.artifact, wanted.role or current.role, wanted.bucket or bucket, recounts, guard)
    return make_plan(aws, wish, choices), current


def read_existing(aws: Aws, common: Common) -> Current:
    """What the endpoint runs now. Raises NotFound, NotOurs."""
    endpoint = existing(aws, common.endpoint_name)
    return read_current(aws, endpoint.name, endpoint.config)


def new_artifact(wish: Wish, wanted: Wanted, bucket: str) -> Artifact | None:
    """The packed artifact where the operator named one; None keeps the present one, in its bucket. Raises Refused."""
    if wanted.model_dir is not None or wanted.empty_artifact:
        return pack(wish.target, wanted.weights(), wanted.code_dir)
    if wanted.code_dir != Wanted.code_dir or wanted.bucket not in (None, bucket):
        hint = "Add --model-dir: an artifact is packed whole, the weights with the hooks."
        raise Refused("--code-dir and --bucket are about a new artifact, and none is packed.", hint=hint)
    return None


def plan_any(aws: Aws, common: Common, wanted: Wanted) -> Plan:
    """What `up` would do, or, where the endpoint serves, what `update` would."""
    endpoint = ours(aws, common.endpoint_name)
    serves = endpoint is not None and endpoint.status in SERVING
    return plan_change(aws, common, wanted)[0] if serves else plan_new(aws, common, wanted)


def tester(screen: Screen, aws: Aws, asked: Asked) -> Callable[[Endpoint], None]:
    """The smoke test of an endpoint in service, for the model that it serves."""

    def test(endpoint: Endpoint) -> None:
        wish = read_current(aws, endpoint.name, endpoint.config).wish
        result = smoke(aws, endpoint.name, wish.target, asked.question(wish.input_size))
        screen.answer["smoke"] = result.as_dict()

    return test


def no_test(endpoint: Endpoint) -> None:
    """Believes AWS."""
