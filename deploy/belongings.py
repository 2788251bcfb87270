"""Everything that an endpoint has, in the order in which it can be removed."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from deploy import names
from deploy.aws import Aws, call, pages, read_tags
from deploy.bucket import Stored, delete_stored, key_of, stored
from deploy.configuration import source
from deploy.endpoint import Endpoint, configurations, delete_endpoint, describe, ours
from deploy.errors import NotFound
from deploy.logs import delete_log_group, find_log_group
from deploy.rollout import delete_alarm, find_alarms
from deploy.scaling import stop_tracking, tracked


@dataclass(frozen=True)
class Thing:
    """Something of an endpoint's that exists. `place` is the bucket of an artifact, `version` which of it."""

    kind: str
    name: str
    endpoint: str
    place: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}{f' ({self.version})' if self.version not in ('', 'null') else ''}"


def belongings(aws: Aws, endpoint: str, *buckets: str) -> list[Thing]:
    """All that an endpoint has, its artifacts in these buckets and in those that its log group knows.

    Raises NotOurs where the endpoint itself is somebody else's.
    """
    return list(found(aws, endpoint, set(buckets), ours(aws, endpoint)))


def found(aws: Aws, name: str, buckets: set[str], endpoint: Endpoint | None) -> Iterator[Thing]:
    """One listing after the other, in the order of removal."""
    log = find_log_group(aws, name)
    if tracked(aws, name):
        yield Thing("scaling target", names.scaling_id(name), name)
    if endpoint is not None:
        yield Thing("endpoint", name, name)
    yield from (Thing("alarm", alarm, name) for alarm in find_alarms(aws, name))
    yield from (Thing("configuration", item.name, name) for item in tagged(aws, "configuration", name))
    yield from (Thing("model", item.name, name) for item in tagged(aws, "model", name))
    for bucket in sorted(buckets | (log.buckets if log else set())):
        for item in stored(aws, bucket, names.artifact_folder(name)):
            yield Thing("artifact", item.key, name, bucket, item.version)
    if log is not None:
        yield Thing("log group", names.log_group(name), name)


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
    """Everything of a kind that is ours, newest first: of one endpoint, or of all.

    NameContains finds other endpoints' too, whose tags the caller may not be allowed to read.
    """
    operation, key, prefix = KINDS[kind]
    ours = re.compile(rf"{re.escape(endpoint)}(-[0-9a-f]{{12}})?" if endpoint else r".+")
    only = {} if endpoint is None else {"NameContains": endpoint}
    for item in pages(aws.sagemaker, operation, key, SortBy="CreationTime", SortOrder="Descending", **only):
        name, arn = item[f"{prefix}Name"], item[f"{prefix}Arn"]
        if not ours.fullmatch(name):
            continue
        found = read_tags(aws, arn)
        if names.TAG in found and endpoint in (None, found[names.TAG]):
            yield Tagged(name, arn, found[names.TAG], found)


def in_use(aws: Aws, endpoint: Endpoint) -> set[str]:
    """The names of what a live endpoint needs: its configuration, the one kept back, their models and artifacts."""
    needed: set[str] = set()
    for config in configurations(aws, endpoint):
        needed.add(config)
        if runs := source(aws, config):
            needed |= {runs.model, key_of(runs.artifact_url)}
    return needed


def unused(aws: Aws, name: str, things: list[Thing]) -> list[Thing]:
    """Configurations, models and artifacts that a live endpoint neither runs nor keeps back.

    While AWS is changing the endpoint, all of it is in use.
    """
    endpoint = describe(aws, name)
    if endpoint is None or endpoint.status != "InService":
        return []
    needed = in_use(aws, endpoint)
    return [
        thing for thing in things if thing.kind in ("configuration", "model", "artifact") and thing.name not in needed
    ]


def remove(aws: Aws, thing: Thing) -> None:
    """Removes one thing and waits until it is gone; gone already is gone."""
    aws.report(f"removing {thing}")
    with suppress(NotFound):
        REMOVALS[thing.kind](aws, thing)
    aws.report(f"{thing} is gone", done=1.0)


REMOVALS: dict[str, Callable[[Aws, Thing], object]] = {
    "scaling target": lambda aws, thing: stop_tracking(aws, thing.name),
    "endpoint": lambda aws, thing: delete_endpoint(aws, thing.name),
    "alarm": lambda aws, thing: delete_alarm(aws, thing.name),
    "configuration": lambda aws, thing: call(aws.sagemaker.delete_endpoint_config, EndpointConfigName=thing.name),
    "model": lambda aws, thing: call(aws.sagemaker.delete_model, ModelName=thing.name),
    "artifact": lambda aws, thing: delete_stored(aws, thing.place, Stored(thing.name, thing.version)),
    "log group": lambda aws, thing: delete_log_group(aws, thing.endpoint),
}
