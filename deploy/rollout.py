"""How a configuration takes over: at once or as a canary, and the alarms that roll it back by themselves."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from deploy import names
from deploy.aws import Aws, call

ERRORS, LATENCY = "errors", "latency"
TERMINATION_SECONDS = 120  # how long the old instances stay after the traffic has moved


@dataclass(frozen=True)
class Limits:
    """What still is healthy: the share of invocations that may fail, and the p90 of the model's milliseconds."""

    errors: float = 0.01
    latency_ms: float = 1000.0


@dataclass(frozen=True)
class Guard:
    """A canary: the percentage of the instances that gets the traffic first, how long, and what is healthy."""

    percent: int
    minutes: float = 5.0
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Rollout:
    """How a configuration takes over: with its own number of instances or the present one, guarded by which alarms.

    `canary` is the share of the instances in percent that gets the traffic first, for `minutes`.
    """

    reset_instances: bool = False
    alarms: tuple[str, ...] = ()
    canary: int = 0
    minutes: float = Guard.minutes

    def request(self) -> dict[str, Any]:
        """What UpdateEndpoint is told of it."""
        about: dict[str, Any] = {"RetainAllVariantProperties": True}
        if self.reset_instances:
            about["ExcludeRetainedVariantProperties"] = [{"VariantPropertyType": "DesiredInstanceCount"}]
        if self.alarms:
            about["DeploymentConfig"] = {
                "BlueGreenUpdatePolicy": {
                    "TrafficRoutingConfiguration": self.routing(),
                    "TerminationWaitInSeconds": TERMINATION_SECONDS,
                    "MaximumExecutionTimeoutInSeconds": max(1800, 3 * self.seconds),
                },
                "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in self.alarms]},
            }
        return about

    @property
    def seconds(self) -> int:
        """How long the alarms watch before all traffic moves."""
        return round(self.minutes * 60)

    def routing(self) -> dict[str, Any]:
        """Which traffic moves first; all of it where one instance cannot be shared out."""
        if not self.canary:
            return {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": self.seconds}
        size = {"Type": "CAPACITY_PERCENT", "Value": self.canary}
        return {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": self.seconds}


def make_alarms(aws: Aws, endpoint: str, limits: Limits, tags: Mapping[str, str]) -> list[str]:
    """The alarms' names; the same call changes them. `down` removes them."""
    tagged = {"Tags": names.tags(endpoint, **tags)}
    put(aws, endpoint, ERRORS, "Invocation5XXErrors", limits.errors, {"Statistic": "Average", **tagged})
    put(aws, endpoint, LATENCY, "ModelLatency", limits.latency_ms * 1000, {"ExtendedStatistic": "p90", **tagged})
    return alarm_names(endpoint)


def put(aws: Aws, endpoint: str, about: str, metric: str, threshold: float, more: dict[str, Any]) -> None:
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
        **more,
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
