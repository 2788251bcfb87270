"""The endpoint: read, awaited, compared, moved to a configuration, deleted."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deploy import logs, names
from deploy.aws import Aws, call, read_tags, until_visible
from deploy.configuration import kept_back
from deploy.diagnose import likely_cause
from deploy.errors import (
    AlreadyExists,
    ElasticInferenceGone,
    EndpointFailed,
    InProgress,
    NotFound,
    NotOurs,
    NotYetVisible,
    Refused,
    TimedOut,
)
from deploy.rollout import Rollout
from deploy.scaling import tracked
from deploy.targets import ELASTIC_INFERENCE_ENDED

STUCK = ("OutOfService", "UpdateRollbackFailed")  # AWS leaves these states on nobody's request but a deletion
MOVING = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


@dataclass(frozen=True)
class Endpoint:
    """An endpoint as AWS describes it; the variant is empty while AWS makes it."""

    name: str
    arn: str
    status: str
    config: str
    failure: str
    variant: dict[str, Any]
    modified: datetime

    @property
    def instances(self) -> int | None:
        """How many there are or shall be now, whatever the configuration began with; None for a serverless one."""
        return self.variant.get("DesiredInstanceCount")

    @property
    def moving(self) -> bool:
        """Whether AWS is working on it."""
        return self.status in MOVING


def describe(aws: Aws, name: str) -> Endpoint | None:
    """The endpoint, or None."""
    try:
        found = call(aws.sagemaker.describe_endpoint, EndpointName=name)
    except NotFound:
        return None
    variants: list[Any] = list(found.get("ProductionVariants", []))
    return Endpoint(
        name=name,
        arn=found["EndpointArn"],
        status=found["EndpointStatus"],
        config=found.get("EndpointConfigName", ""),
        failure=found.get("FailureReason", ""),
        variant=dict(variants[0]) if variants else {},
        modified=found["LastModifiedTime"],
    )


def ours(aws: Aws, name: str) -> Endpoint | None:
    """The endpoint, or None. Raises NotOurs where it carries no tag of ours."""
    endpoint = describe(aws, name)
    if endpoint is not None and read_tags(aws, endpoint.arn).get(names.TAG) != name:
        raise NotOurs(
            f"There is an endpoint {name} that detect-deploy did not make.",
            hint="Choose another --endpoint-name; this one stays as it is.",
        )
    return endpoint


def existing(aws: Aws, name: str) -> Endpoint:
    """The endpoint. Raises NotFound, or NotOurs."""
    endpoint = ours(aws, name)
    if endpoint is None:
        raise NotFound(f"There is no endpoint {name} in {aws.region}.", hint="`detect-deploy up` makes it.")
    return endpoint


def settled(aws: Aws, name: str) -> Endpoint | None:
    """The endpoint once AWS has stopped working on it, None once it is gone; meanwhile its log is heard.

    Raises TimedOut.
    """
    started, log = time.monotonic(), logs.Follower(aws, name)
    while (endpoint := describe(aws, name)) is not None and endpoint.moving:
        passed = time.monotonic() - started
        if passed > aws.limit:
            raise TimedOut(
                f"The endpoint {name} is still {endpoint.status} after {passed / 60:.0f} minutes.",
                hint="AWS keeps working on it: run the same command again to go on waiting.",
            )
        aws.report(f"endpoint {name}: {endpoint.status}")
        for line in log.new():
            aws.hear(line)
        time.sleep(aws.poll)
    return endpoint


def configurations(aws: Aws, endpoint: Endpoint) -> list[str]:
    """The configuration that an endpoint runs, and the one kept back."""
    return [config for config in (endpoint.config, kept_back(aws, endpoint.config)) if config]


def in_service(aws: Aws, name: str, config: str, since: datetime | None = None) -> Endpoint:
    """The endpoint once it is in service with this configuration. Raises EndpointFailed or ElasticInferenceGone.

    The configuration's name is compared: after a failed update the old one is in service again. With `since`, what AWS
    still says of the time before a change is not believed.
    """
    endpoint = until_visible(aws, lambda: fresh(aws, name, since), "endpoint")
    if endpoint.status != "InService":
        raise failure(aws, endpoint, f"The endpoint {name} is {endpoint.status}.")
    if endpoint.config != config:
        raise failure(aws, endpoint, f"SageMaker rolled the endpoint {name} back: it serves {endpoint.config} again.")
    aws.report(f"endpoint {name}: InService", done=1.0)
    return endpoint


def fresh(aws: Aws, name: str, since: datetime | None) -> Endpoint:
    """The endpoint, settled. Raises NotFound, and NotYetVisible for a description older than `since`."""
    endpoint = present(aws, name)
    if since is not None and endpoint.modified <= since:
        raise NotYetVisible(f"AWS does not show the change of the endpoint {name} yet.")
    return endpoint


def present(aws: Aws, name: str) -> Endpoint:
    """The endpoint, settled. Raises NotFound."""
    endpoint = settled(aws, name)
    if endpoint is None:
        raise NotFound(f"There is no endpoint {name}: it was deleted meanwhile.")
    return endpoint


def failure(aws: Aws, endpoint: Endpoint, what: str) -> EndpointFailed | ElasticInferenceGone:
    """The error for an endpoint that AWS gave up on: its reason, the likely cause, the end of the log."""
    log = logs.tail(aws, endpoint.name)
    cause = likely_cause(endpoint.failure, log)
    kind = ElasticInferenceGone if cause == ELASTIC_INFERENCE_ENDED else EndpointFailed
    error = kind(f"{what} AWS says: {endpoint.failure or 'nothing'}", hint=f"Likely cause: {cause}")
    error.log = log
    return error


def serving(aws: Aws, name: str) -> Endpoint:
    """The endpoint, in service whatever it serves. Raises Refused where it is not, NotFound."""
    endpoint = present(aws, name)
    if endpoint.status != "InService":
        again = "up --replace" if endpoint.status in STUCK else "up"
        raise Refused(
            f"The endpoint {name} is {endpoint.status}, and SageMaker updates only what is in service.",
            hint=f"`detect-deploy {again}` deletes it and makes it anew; `detect-deploy down` removes it.",
        )
    return endpoint


def create_endpoint(aws: Aws, name: str, config: str, tags: Mapping[str, str]) -> None:
    """The endpoint, or the same one from an earlier run."""
    if settled(aws, name) is not None:
        return
    try:
        call(aws.sagemaker.create_endpoint, EndpointName=name, EndpointConfigName=config, Tags=names.tags(name, **tags))
    except AlreadyExists:
        return


def move(aws: Aws, before: Endpoint, config: str, rollout: Rollout | None = None) -> Endpoint:
    """The endpoint in service with another configuration. Raises EndpointFailed."""
    until_visible(
        aws,
        lambda: call(
            aws.sagemaker.update_endpoint,
            EndpointName=before.name,
            EndpointConfigName=config,
            **(rollout or Rollout()).request(),
        ),
        "endpoint",
    )
    return in_service(aws, before.name, config, before.modified)


def set_instances(aws: Aws, name: str, instances: int) -> Endpoint:
    """The endpoint with a fixed number of instances. Raises Refused where target tracking would change it again."""
    if tracked(aws, name):
        raise Refused("The endpoint scales by itself.", hint="`detect-deploy scale --off` first.")
    endpoint = present(aws, name)
    if endpoint.instances == instances:
        return endpoint
    call(
        aws.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": names.VARIANT, "DesiredInstanceCount": instances}],
    )
    return in_service(aws, name, endpoint.config, endpoint.modified)


def delete_endpoint(aws: Aws, name: str) -> None:
    """Deletes the endpoint and waits. AWS refuses while it is making it: so waits first. Raises TimedOut."""
    deadline = time.monotonic() + aws.limit
    while (endpoint := settled(aws, name)) is not None:
        if time.monotonic() > deadline:
            raise TimedOut(f"The endpoint {name} is {endpoint.status} and is not deleted.")
        with suppress(InProgress):
            call(aws.sagemaker.delete_endpoint, EndpointName=name)
        time.sleep(aws.poll)
