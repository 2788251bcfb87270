"""What the container says: its log group, kept for a month."""

import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from deploy import names
from deploy.aws import Aws, call, pages
from deploy.errors import AlreadyExists, NotFound, PermissionDenied

RETENTION_DAYS = 30  # CloudWatch keeps logs, and bills for them, without limit by default


@dataclass(frozen=True)
class LogGroup:
    """A log group as it was found. `retention` 0 is without limit; the tags name the endpoint and its buckets."""

    name: str
    retention: int
    tags: dict[str, str]

    @property
    def buckets(self) -> set[str]:
        """Where the endpoint's artifacts lie."""
        return set(self.tags.get(names.BUCKETS_TAG, "").split())


def log_groups(aws: Aws, endpoint: str = "") -> Iterator[LogGroup]:
    """The log group of an endpoint, or of all endpoints."""
    for group in pages(aws.logs, "describe_log_groups", "logGroups", logGroupNamePrefix=names.log_group(endpoint)):
        if endpoint and group["logGroupName"] != names.log_group(endpoint):
            continue  # another endpoint's, whose name begins with this one's
        arn = group["arn"].removesuffix(":*")
        tags = call(aws.logs.list_tags_for_resource, resourceArn=arn)["tags"]
        yield LogGroup(group["logGroupName"], int(group.get("retentionInDays", 0)), tags)


def find_log_group(aws: Aws, endpoint: str) -> LogGroup | None:
    """An endpoint's log group, or None."""
    return next(log_groups(aws, endpoint), None)


def is_right(group: LogGroup | None, endpoint: str, bucket: str) -> bool:
    """Whether a log group needs nothing done to it."""
    return (
        group is not None and group.retention > 0 and endpoint == group.tags.get(names.TAG) and bucket in group.buckets
    )


def ensure_log_group(aws: Aws, endpoint: str, bucket: str, more: Mapping[str, str]) -> None:
    """The log group is there, knows the bucket, and forgets after a month. An operator's own retention stays.

    It is made before the first upload and removed last: so `down` finds the artifacts wherever they are.
    """
    name = names.log_group(endpoint)
    found = find_log_group(aws, endpoint)
    buckets = {bucket} | (found.buckets if found else set())
    tags = {**more, names.TAG: endpoint, names.BUCKETS_TAG: " ".join(sorted(buckets))}
    if found is None:
        with suppress(AlreadyExists):
            call(aws.logs.create_log_group, logGroupName=name, tags=tags)
    elif found.tags | tags != found.tags:
        arn = f"arn:{aws.partition}:logs:{aws.region}:{aws.account}:log-group:{name}"
        call(aws.logs.tag_resource, resourceArn=arn, tags=tags)
    if found is None or found.retention == 0:
        call(aws.logs.put_retention_policy, logGroupName=name, retentionInDays=RETENTION_DAYS)


def delete_log_group(aws: Aws, endpoint: str) -> bool:
    """Removes the log; False where there was none."""
    try:
        call(aws.logs.delete_log_group, logGroupName=names.log_group(endpoint))
    except NotFound:
        return False
    return True


class Line(NamedTuple):
    """One line of the log: when in milliseconds, which, what."""

    stamp: int
    event: str
    text: str


def tail(aws: Aws, endpoint: str, lines: int = 20, minutes: int = 60) -> list[str]:
    """The last lines of the log; none where there is no log, or it may not be read."""
    try:
        return [line.text for line in events(aws, endpoint, minutes_ago(minutes))][-lines:]
    except (NotFound, PermissionDenied):
        return []


def transform_tail(aws: Aws, job: str, lines: int = 20) -> list[str]:
    """The last lines of a transform job's containers; none where there is no log, or it may not be read."""
    where = {"logGroupName": names.transform_log_group(), "logStreamNamePrefix": f"{job}/"}
    try:
        return [one["message"].rstrip() for one in pages(aws.logs, "filter_log_events", "events", **where)][-lines:]
    except (NotFound, PermissionDenied):
        return []


def minutes_ago(minutes: int) -> int:
    """Then, in milliseconds."""
    return int((time.time() - minutes * 60) * 1000)


def events(aws: Aws, endpoint: str, since_ms: int) -> Iterator[Line]:
    """Every line since then. Raises NotFound where there is no log."""
    group = names.log_group(endpoint)
    for event in pages(aws.logs, "filter_log_events", "events", logGroupName=group, startTime=since_ms):
        yield Line(event["timestamp"], event["eventId"], event["message"].rstrip())


class Follower:
    """Gives every line once, from now on; silent where there is no log, or it may not be read."""

    def __init__(self, aws: Aws, endpoint: str) -> None:
        self.aws, self.endpoint = aws, endpoint
        self.since_ms, self.seen = minutes_ago(0), set[Line]()

    def new(self) -> Iterator[str]:
        """The lines since the last call."""
        try:
            found = [line for line in events(self.aws, self.endpoint, self.since_ms) if line not in self.seen]
        except (NotFound, PermissionDenied):
            return
        self.seen.update(found)
        self.since_ms = max((line.stamp for line in self.seen), default=self.since_ms)
        self.seen = {line for line in self.seen if line.stamp == self.since_ms}
        yield from (line.text for line in found)


def stream(aws: Aws, endpoint: str) -> Iterator[str]:
    """Every new line, until the operator stops it."""
    follower = Follower(aws, endpoint)
    while True:
        yield from follower.new()
        time.sleep(aws.poll)
