"""Everything that an endpoint has, in the order in which it can be taken away."""

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from deploy import names
from deploy.aws import Aws, call, pages
from deploy.bucket import artifacts, delete_artifact
from deploy.endpoint import Endpoint, artifact_of, model_of, ours, read_tags, settled, tagged
from deploy.errors import InProgress, NotFound, TimedOut
from deploy.logs import delete_log_group, find_log_group


@dataclass(frozen=True)
class Thing:
    """Something of an endpoint's that exists. `place` is the bucket of an artifact."""

    kind: str
    name: str
    endpoint: str
    place: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


def belongings(aws: Aws, endpoint: str, *buckets: str) -> list[Thing]:
    """All that an endpoint has, its artifacts in these buckets and in those that its log group knows.

    Raises NotOurs where the endpoint itself is somebody else's.
    """
    return list(found(aws, endpoint, set(buckets), ours(aws, endpoint)))


def found(aws: Aws, name: str, buckets: set[str], endpoint: Endpoint | None) -> Iterator[Thing]:
    """One listing after the other, in the order of removal."""
    log = find_log_group(aws, name)
    if is_scaled(aws, name):
        yield Thing("scaling target", names.scaling_id(name), name)
    if endpoint is not None:
        yield Thing("endpoint", name, name)
    yield from (Thing("configuration", item.name, name) for item in tagged(aws, "configuration", name))
    yield from (Thing("model", item.name, name) for item in tagged(aws, "model", name))
    for bucket in sorted(buckets | (log.buckets if log else set())):
        yield from (Thing("artifact", key, name, bucket) for key in artifacts(aws, bucket, names.artifact_folder(name)))
    if log is not None:
        yield Thing("log group", names.log_group(name), name)


def is_scaled(aws: Aws, endpoint: str) -> bool:
    """Whether the endpoint scales by itself."""
    ids = [names.scaling_id(endpoint)]
    return any(
        pages(
            aws.scaling, "describe_scalable_targets", "ScalableTargets", ServiceNamespace="sagemaker", ResourceIds=ids
        )
    )


def in_use(aws: Aws, endpoint: Endpoint) -> set[str]:
    """The names of what a live endpoint needs: its configuration, the one kept back, their models and artifacts."""
    kept: set[str] = set()
    for config in filter(None, (endpoint.config, kept_back(aws, endpoint))):
        model = model_of(aws, config)
        artifact = artifact_of(aws, model) if model else None
        kept |= {config, model or "", (artifact or "s3:////").split("/", 3)[3]}
    return kept


def kept_back(aws: Aws, endpoint: Endpoint) -> str | None:
    """The configuration before this one."""
    try:
        found = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=endpoint.config)
    except NotFound:
        return None
    return read_tags(aws, found["EndpointConfigArn"]).get(names.PREVIOUS_TAG)


def remove(aws: Aws, thing: Thing) -> None:
    """Takes one thing away and waits until it is gone; gone already is gone."""
    aws.report(f"removing {thing}")
    with suppress(NotFound):
        REMOVALS[thing.kind](aws, thing)
    aws.report(f"{thing} is gone", done=1.0)


def remove_endpoint(aws: Aws, thing: Thing) -> None:
    """Deletes the endpoint and waits. AWS refuses while it is making it: so waits first. Raises TimedOut."""
    deadline = time.monotonic() + aws.limit
    while (endpoint := settled(aws, thing.name)) is not None:
        if time.monotonic() > deadline:
            raise TimedOut(f"The endpoint {thing.name} is {endpoint.status} and does not go.")
        with suppress(InProgress):
            call(aws.sagemaker.delete_endpoint, EndpointName=thing.name)
        time.sleep(aws.poll)


def remove_scaling(aws: Aws, thing: Thing) -> None:
    """Ends target tracking; AWS removes the policy and its alarms with it."""
    call(
        aws.scaling.deregister_scalable_target,
        ServiceNamespace="sagemaker",
        ResourceId=thing.name,
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
    )


REMOVALS: dict[str, Callable[[Aws, Thing], object]] = {
    "scaling target": remove_scaling,
    "endpoint": remove_endpoint,
    "configuration": lambda aws, thing: call(aws.sagemaker.delete_endpoint_config, EndpointConfigName=thing.name),
    "model": lambda aws, thing: call(aws.sagemaker.delete_model, ModelName=thing.name),
    "artifact": lambda aws, thing: delete_artifact(aws, thing.place, thing.name),
    "log group": lambda aws, thing: delete_log_group(aws, thing.endpoint),
}
