"""What the container says: its log group, kept for a month."""

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

from deploy import names
from deploy.aws import Aws, call, pages
from deploy.errors import AlreadyExists, NotFound, PermissionDenied

RETENTION_DAYS = 30  # CloudWatch keeps logs, and bills for them, for ever by default


def find_retention(aws: Aws, endpoint: str) -> int | None:
    """How many days the log is kept: 0 for ever, None where there is no log group."""
    name = names.log_group(endpoint)
    for group in pages(aws.logs, "describe_log_groups", "logGroups", logGroupNamePrefix=name):
        if group["logGroupName"] == name:
            return int(group.get("retentionInDays", 0))
    return None


def ensure_log_group(aws: Aws, endpoint: str) -> None:
    """The log group is there, tagged, and forgets after a month. An operator's own retention stays."""
    name = names.log_group(endpoint)
    retention = find_retention(aws, endpoint)
    if retention is None:
        with suppress(AlreadyExists):
            call(aws.logs.create_log_group, logGroupName=name, tags={names.TAG: endpoint})
    if not retention:
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


def minutes_ago(minutes: int) -> int:
    """Then, in milliseconds."""
    return int((time.time() - minutes * 60) * 1000)


def events(aws: Aws, endpoint: str, since_ms: int) -> Iterator[Line]:
    """Every line since then. Raises NotFound where there is no log."""
    group = names.log_group(endpoint)
    for event in pages(aws.logs, "filter_log_events", "events", logGroupName=group, startTime=since_ms):
        yield Line(event["timestamp"], event["eventId"], event["message"].rstrip())


def follow(aws: Aws, endpoint: str, since_ms: int) -> Iterator[str]:
    """Every line since then and every new one, until the operator stops it."""
    seen: set[Line] = set()
    while True:
        for line in events(aws, endpoint, since_ms):
            if line not in seen:
                seen.add(line)
                yield line.text
        since_ms = max((line.stamp for line in seen), default=since_ms)
        seen = {line for line in seen if line.stamp == since_ms}
        time.sleep(aws.poll)
