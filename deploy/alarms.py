"""The alarms that roll an update back by themselves: too many errors, answers too slow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call

ERRORS, LATENCY = "errors", "latency"


@dataclass(frozen=True)
class Limits:
    """What still is healthy: the share of invocations that may fail, and the p90 of the model's milliseconds."""

    errors: float = 0.01
    latency_ms: float = 1000.0


def make_alarms(aws: Aws, endpoint: str, limits: Limits) -> list[str]:
    """The alarms' names; the same call changes them. `down` removes them."""
    put(aws, endpoint, ERRORS, "Invocation5XXErrors", limits.errors, {"Statistic": "Average"})
    put(aws, endpoint, LATENCY, "ModelLatency", limits.latency_ms * 1000, {"ExtendedStatistic": "p90"})
    return alarm_names(endpoint)


def put(aws: Aws, endpoint: str, about: str, metric: str, threshold: float, statistic: dict[str, Any]) -> None:
    """One alarm, over one minute; silence is health."""
    name = names.alarm(endpoint, about)
    call(
        aws.cloudwatch.put_metric_alarm,
        AlarmName=name,
        AlarmDescription=f"Rolls an update of the endpoint {endpoint} back",
        Namespace="AWS/SageMaker",
        MetricName=metric,
        Dimensions=names.dimensions(endpoint),
        Period=60,
        EvaluationPeriods=1,
        Threshold=threshold,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
        Tags=names.tags(endpoint),
        **statistic,
    )
    aws.report(f"alarm {name}", done=1.0)


def alarm_names(endpoint: str) -> list[str]:
    """The names of an endpoint's alarms, there or not."""
    return [names.alarm(endpoint, about) for about in (ERRORS, LATENCY)]


def find_alarms(aws: Aws, endpoint: str) -> Iterator[str]:
    """The names of the alarms that are there."""
    for alarm in call(aws.cloudwatch.describe_alarms, AlarmNames=alarm_names(endpoint))["MetricAlarms"]:
        yield alarm["AlarmName"]


def delete_alarm(aws: Aws, name: str) -> None:
    """Removes an alarm; gone already is gone."""
    call(aws.cloudwatch.delete_alarms, AlarmNames=[name])
