"""What would be created or changed, and making it. Planning reads everything and touches nothing."""

from dataclasses import dataclass, replace
from typing import Any

from deploy import logs, names
from deploy.artifact import Artifact
from deploy.aws import Aws, call, until_visible, write_tags
from deploy.bucket import Bucket, encryption_key, ensure_bucket, find_bucket, has_artifact, key_of, upload
from deploy.configuration import container, create_config, create_model, network, source, storage, variant
from deploy.endpoint import STUCK, Endpoint, configurations, ours
from deploy.errors import NotFound, PermissionDenied
from deploy.image import check_image
from deploy.policies import Scope
from deploy.role import Role, ensure_role, find_role, is_right, needs_administrator, own_scope
from deploy.rollout import Guard
from deploy.wish import Wish, check


@dataclass(frozen=True)
class Step:
    """One line of the plan. `action` is create, keep, change or replace."""

    action: str
    kind: str
    name: str
    note: str = ""


@dataclass(frozen=True)
class Plan:
    """Everything that `up` and `update` need to know. `artifact` is None where the present one stays.

    `recounts` means that the operator gave the number of instances; otherwise an update keeps the present one.
    """

    wish: Wish
    role: Role
    bucket: Bucket
    artifact: Artifact | None
    artifact_url: str
    uploaded: bool
    log: logs.LogGroup | None
    model: str
    model_exists: bool
    config: str
    config_exists: bool
    endpoint: Endpoint | None
    scope: Scope
    recounts: bool = False
    guard: Guard | None = None

    @property
    def priced(self) -> Wish:
        """The wish with the number of instances that there will be: an update keeps the present one unless told."""
        live = self.endpoint.instances if self.endpoint and self.endpoint_action != "replace" else None
        return self.wish if self.recounts or live is None else replace(self.wish, instances=live)

    @property
    def steps(self) -> list[Step]:
        """The lines of the plan, in the order in which they are done."""
        log_right = logs.is_right(self.log, self.wish.endpoint, self.bucket.name)
        log_note = "" if self.log and self.log.retention else f"kept {logs.RETENTION_DAYS} days"
        artifact_note = f"{self.artifact.size / 1e6:.1f} MB" if self.artifact else "as it is"
        config_note = joined(self.wish.machine_note, self.wish.storage_note)
        status = self.endpoint.status if self.endpoint else ""
        return [
            Step(made(self.bucket.exists, self.bucket.blocked), "bucket", self.bucket.name, "public access blocked"),
            Step(made(self.role.exists, is_right(self.role, self.scope)), "role", self.role.name, self.role.origin),
            Step(made(bool(self.log), log_right), "log group", names.log_group(self.wish.endpoint), log_note),
            Step(made(self.uploaded), "artifact", self.artifact_url, artifact_note),
            Step(made(self.model_exists), "model", self.model, joined(self.scope.image, self.wish.network_note)),
            Step(made(self.config_exists), "configuration", self.config, config_note),
            Step(self.endpoint_action, "endpoint", self.wish.endpoint, joined(status, self.wish.tags_note)),
        ]

    @property
    def endpoint_action(self) -> str:
        """What happens to the endpoint."""
        if self.endpoint is None or self.endpoint.status == "Deleting":
            return "create"
        if self.endpoint.status in ("Failed", *STUCK):
            return "replace"
        return "keep" if self.endpoint.config == self.config else "change"


def joined(*notes: str) -> str:
    """The notes that there are."""
    return ", ".join(filter(None, notes))


def made(exists: bool, right: bool = True) -> str:
    """The action that makes a thing exist and be right."""
    return ("keep" if right else "change") if exists else "create"


@dataclass(frozen=True)
class Choices:
    """What the operator chose beside the wish: a packed artifact or the address of a present one, a role, a bucket."""

    artifact: Artifact | None = None
    artifact_url: str = ""
    role: str | None = None
    bucket: str | None = None
    recounts: bool = False
    guard: Guard | None = None


def make_plan(aws: Aws, wish: Wish, choices: Choices) -> Plan:
    """The plan for a wish. Raises Refused, NotOurs, NotFound or AwsRefused; changes nothing."""
    check(wish)
    check_image(aws, wish, wish.image_uri(aws.region))
    return plan_with_image(aws, wish, choices)


def plan_with_image(aws: Aws, wish: Wish, choices: Choices) -> Plan:
    """The same without a look at the image."""
    image = wish.image_uri(aws.region)
    endpoint = ours(aws, wish.endpoint)
    bucket = find_bucket(aws, choices.bucket)
    scope = planned_scope(aws, wish, endpoint, bucket, image)
    role, scope = planned_role(aws, wish, choices.role, scope)
    url = choices.artifact_url
    if choices.artifact is not None:
        url = f"s3://{bucket.name}/{names.artifact_key(wish.endpoint, choices.artifact.sha256)}"
    made_of = {"container": container(wish, image, url), "role": role.arn, **network(wish)}
    model = names.content_name(wish.endpoint, made_of)
    served_as = {"variant": variant(wish, model), "target": wish.target.name, **storage(wish)}
    config = names.content_name(wish.endpoint, served_as)
    return Plan(
        wish=wish,
        role=role,
        bucket=bucket,
        artifact=choices.artifact,
        artifact_url=url,
        uploaded=is_uploaded(aws, bucket, url, choices.artifact),
        log=logs.find_log_group(aws, wish.endpoint),
        model=model,
        model_exists=exists(aws.sagemaker.describe_model, ModelName=model),
        config=config,
        config_exists=exists(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config),
        endpoint=endpoint,
        scope=scope,
        recounts=choices.recounts,
        guard=choices.guard,
    )


def planned_role(aws: Aws, wish: Wish, wanted: str | None, scope: Scope) -> tuple[Role, Scope]:
    """The role, and what the documents are about. Raises PermissionDenied with the documents for an administrator."""
    try:
        role = find_role(aws, wish.endpoint, wanted)
    except PermissionDenied as error:
        raise needs_administrator(error, scope.role_arn.rsplit("/", 1)[1], scope) from error
    return role, replace(scope, role_arn=role.arn, own_role=role.ours)


def planned_scope(aws: Aws, wish: Wish, endpoint: Endpoint | None, bucket: Bucket, image: str) -> Scope:
    """What the documents are about: the new image and bucket, and those of what serves and is kept back.

    Without these the way back, and new instances of what serves, would lose their rights.
    """
    before = [source(aws, config) for config in (configurations(aws, endpoint) if endpoint else ())]
    others = {runs.artifact_url.split("/")[2] for runs in before if runs} - {bucket.name}
    return replace(
        own_scope(aws, wish.endpoint),
        buckets=unique(bucket.name, *sorted(others)),
        keys=tuple(key for key in unique(bucket.key, *(encryption_key(aws, name) for name in others)) if key),
        vpc=bool(wish.subnets),
        capture=(wish.capture_to or "").removeprefix("s3://").rstrip("/"),
        volume_key=wish.kms_key or "",
        images=unique(image, *(runs.image for runs in before if runs)),
    )


def unique(*values: str) -> tuple[str, ...]:
    """The values in their order, each once."""
    return tuple(dict.fromkeys(values))


def is_uploaded(aws: Aws, bucket: Bucket, url: str, artifact: Artifact | None) -> bool:
    """Whether the artifact needs no upload."""
    return artifact is None or (bucket.exists and has_artifact(aws, bucket.name, key_of(url), artifact))


def exists(method: Any, **kwargs: str) -> bool:
    """Whether AWS can describe it."""
    try:
        call(method, **kwargs)
    except NotFound:
        return False
    return True


def label(aws: Aws, plan: Plan) -> None:
    """Gives what was there already the operator's tags: the endpoint, its configuration and its model."""
    for kind, name in (("endpoint", plan.wish.endpoint), ("endpoint-config", plan.config), ("model", plan.model)):
        if plan.wish.tags:
            write_tags(aws, plan.scope.arn("sagemaker", f"{kind}/{name.lower()}"), plan.wish.tags)


def build(aws: Aws, plan: Plan) -> None:
    """Everything that the plan says but the endpoint. Each step may find its work done. Raises AwsRefused and its kin.

    Every name is its content's, so a run that was killed anywhere is continued by the next one.
    """
    endpoint, done = plan.wish.endpoint, 1.0
    ensure_bucket(aws, plan.bucket)
    aws.report(f"bucket {plan.bucket.name}", done)
    role = ensure_role(aws, plan.role, plan.scope, plan.wish.tags)
    aws.report(f"role {plan.role.name}", done)
    logs.ensure_log_group(aws, endpoint, plan.bucket.name, plan.wish.tags)
    aws.report(f"log group {names.log_group(endpoint)}", done)
    if plan.artifact is not None and not plan.uploaded:
        upload(aws, plan.bucket.name, key_of(plan.artifact_url), plan.artifact)
    aws.report(f"artifact {plan.artifact_url}", done)
    if not plan.model_exists:
        made_of = container(plan.wish, plan.scope.image, plan.artifact_url)
        tags = names.tags(endpoint, **plan.wish.tags)
        until_visible(aws, lambda: create_model(aws, plan.wish, plan.model, made_of, role, tags), "model")
    aws.report(f"model {plan.model}", done)
    if not plan.config_exists:
        until_visible(aws, lambda: create_config(aws, plan.wish, plan.config, plan.model), "configuration")
    aws.report(f"configuration {plan.config}", done)
