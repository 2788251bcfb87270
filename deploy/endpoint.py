"""The endpoint, its configurations and models: read, awaited, compared. Nothing here changes anything."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, pages
from deploy.errors import NotFound, NotOurs, TimedOut

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
    """The endpoint once AWS has stopped working on it, None once it is gone. Raises TimedOut."""
    started = time.monotonic()
    while (endpoint := describe(aws, name)) is not None and endpoint.moving:
        passed = time.monotonic() - started
        if passed > aws.limit:
            raise TimedOut(
                f"The endpoint {name} is still {endpoint.status} after {passed / 60:.0f} minutes.",
                hint="AWS keeps working on it: run the same command again to go on waiting.",
            )
        aws.report(f"endpoint {name}: {endpoint.status}")
        time.sleep(aws.poll)
    return endpoint


def read_tags(aws: Aws, arn: str) -> dict[str, str]:
    """A SageMaker resource's tags; none where it has gone meanwhile."""
    try:
        return {tag["Key"]: tag["Value"] for tag in pages(aws.sagemaker, "list_tags", "Tags", ResourceArn=arn)}
    except NotFound:
        return {}


@dataclass(frozen=True)
class Tagged:
    """A model, configuration or endpoint that carries our tag."""

    name: str
    arn: str
    endpoint: str
    tags: dict[str, str]


KINDS = {
    "endpoint": ("list_endpoints", "Endpoints", "Endpoint"),
    "configuration": ("list_endpoint_configs", "EndpointConfigs", "EndpointConfig"),
    "model": ("list_models", "Models", "Model"),
}


def tagged(aws: Aws, kind: str, endpoint: str | None = None) -> Iterator[Tagged]:
    """Everything of a kind that is ours, newest first: of one endpoint, or of all."""
    operation, key, prefix = KINDS[kind]
    only = {} if endpoint is None else {"NameContains": endpoint}
    for item in pages(aws.sagemaker, operation, key, SortBy="CreationTime", SortOrder="Descending", **only):
        name, arn = item[f"{prefix}Name"], item[f"{prefix}Arn"]
        found = read_tags(aws, arn)
        if names.TAG in found and endpoint in (None, found[names.TAG]):
            yield Tagged(name, arn, found[names.TAG], found)


def model_of(aws: Aws, config: str) -> str | None:
    """The model that a configuration runs, or None where the configuration is gone."""
    try:
        found = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)
    except NotFound:
        return None
    return found["ProductionVariants"][0].get("ModelName")


def artifact_of(aws: Aws, model: str) -> str | None:
    """The s3:// address of a model's artifact, or None where the model is gone."""
    try:
        found = call(aws.sagemaker.describe_model, ModelName=model)
    except NotFound:
        return None
    return found.get("PrimaryContainer", {}).get("ModelDataUrl")
