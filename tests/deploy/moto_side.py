"""What the stand-in for SageMaker looks up in, and writes to, moto's S3, IAM, CloudWatch and autoscaling."""

import json
import math
import time
from datetime import datetime
from typing import Any

from moto.applicationautoscaling.models import applicationautoscaling_backends
from moto.cloudwatch import models as cloudwatch
from moto.iam.models import iam_backends
from moto.logs.models import logs_backends
from moto.s3.models import s3_backends


def artifact(account: str, url: str) -> bytes | None:
    """The bytes of an s3:// address, or None."""
    bucket, key = url.removeprefix("s3://").split("/", 1)
    buckets: Any = s3_backends[account]["aws"].buckets
    found = buckets[bucket].keys.get(key) if bucket in buckets else None
    return found.value if found else None


def objects(account: str) -> list[str]:
    """Every version of every object of every bucket."""
    buckets: Any = s3_backends[account]["aws"].buckets
    return [
        f"{name}/{key}" for name, bucket in buckets.items() for key in bucket.keys for _ in bucket.keys.getlist(key)
    ]


def buckets(account: str) -> list[str]:
    """Every bucket."""
    return sorted(s3_backends[account]["aws"].buckets)


def roles(account: str) -> list[str]:
    """Every role."""
    return sorted(role.name for role in iam_backends[account]["aws"].roles.values())


def boundary(account: str, name: str) -> str | None:
    """The ARN of a role's permissions boundary."""
    roles: Any = iam_backends[account]["aws"].roles
    return next((role.permissions_boundary_arn for role in roles.values() if role.name == name), None)


def assumable(account: str, arn: str) -> bool:
    """Whether a role is there and trusts SageMaker."""
    for role in iam_backends[account]["aws"].roles.values():
        if role.arn == arn:
            return "sagemaker.amazonaws.com" in json.dumps(role.assume_role_policy_document)
    return False


def is_scaled(account: str, region: str, endpoint: str) -> bool:
    """Whether autoscaling watches an endpoint."""
    return f"endpoint/{endpoint}/variant/main" in scaled(account, region)


def scaled(account: str, region: str) -> list[str]:
    """Every scalable target of SageMaker's."""
    targets: Any = applicationautoscaling_backends[account][region].targets
    return [name for dimension in targets.values() for name in dimension]


def scaling_policies(account: str, region: str) -> list[str]:
    """Every policy of target tracking, by what it scales."""
    policies: Any = applicationautoscaling_backends[account][region].policies
    return sorted(policy.resource_id for policy in policies.values())


def log_groups(account: str, region: str) -> list[str]:
    """Every log group."""
    return sorted(logs_backends[account][region].groups)


def alarms(account: str, region: str) -> list[str]:
    """Every alarm."""
    return sorted(cloudwatch.cloudwatch_backends[account][region].alarms)


def fires(account: str, region: str, name: str, since: datetime) -> bool:
    """Whether what was measured since then is over an alarm's threshold."""
    backend = cloudwatch.cloudwatch_backends[account][region]
    alarm: Any = backend.alarms[name]
    data: list[Any] = backend.metric_data
    values = [
        float(datum.value)
        for datum in data
        if datum.name == alarm.metric_name and datum.timestamp >= since and datum.value is not None
    ]
    if not values:
        return False
    if alarm.statistic:
        return bool(sum(values) / len(values) > alarm.threshold)
    return bool(sorted(values)[math.ceil(0.9 * len(values)) - 1] > alarm.threshold)


def newest(account: str, bucket: str, prefix: str) -> list[str]:
    """BUCKET/KEY of the objects under a prefix, in the order of the keys."""
    buckets: Any = s3_backends[account]["aws"].buckets
    return [f"{bucket}/{key}" for key in sorted(buckets[bucket].keys) if key.startswith(prefix)]


def put(account: str, url: str, content: bytes) -> None:
    """Writes an object."""
    bucket, _, key = url.removeprefix("s3://").partition("/")
    backend: Any = s3_backends[account]["aws"]
    backend.put_object(bucket, key, content)


def role_documents(account: str, arn: str) -> list[Any]:
    """What a role has to be allowed by: its own policy and its boundary; none for a role without."""
    backend: Any = iam_backends[account]["aws"]
    role = next(role for role in backend.roles.values() if role.arn == arn)
    if not role.permissions_boundary_arn:
        return []
    own = {"Statement": [s for text in role.policies.values() for s in json.loads(text)["Statement"]]}
    versions = backend.get_policy(role.permissions_boundary_arn).versions
    bounds = json.loads(next(one.document for one in versions if one.is_default))
    return [own, bounds]


def make_log_group(account: str, region: str, group: str) -> None:
    """Makes a log group, unless it is there."""
    backend = logs_backends[account][region]
    if group not in backend.groups:
        backend.create_log_group(group, {})


def write_log(account: str, region: str, group: str, lines: list[str], stream: str = "main/i-1") -> None:
    """Writes lines as a container does; nowhere, where there is no group."""
    backend = logs_backends[account][region]
    if group not in backend.groups:
        return
    backend.ensure_log_stream(group, stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now + number, "message": line} for number, line in enumerate(lines)]
    backend.put_log_events(group, stream, events)


def measure(account: str, region: str, endpoint: str, **values: float) -> None:
    """Writes SageMaker's metrics of one invocation."""
    dimensions = [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "main"}]
    data = [{"MetricName": name, "Value": value, "Dimensions": dimensions} for name, value in values.items()]
    cloudwatch.cloudwatch_backends[account][region].put_metric_data("AWS/SageMaker", data)


class Percentiles(cloudwatch.Statistics):
    """moto's statistics, and percentiles, which it has not."""

    def get_statistics_for_type(self, stat: str) -> Any:
        if not stat.startswith("p"):
            return super().get_statistics_for_type(stat)
        values = sorted(self.metric_single_values_list)
        return values[max(0, math.ceil(float(stat[1:]) / 100 * len(values)) - 1)]
