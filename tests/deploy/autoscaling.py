"""Application Auto Scaling where AWS does more than moto: alarms come with a policy, and both go with the target."""

from typing import Any

import pytest
from moto.applicationautoscaling import models
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.exceptions import JsonRESTError


class Policy(models.FakeApplicationAutoscalingPolicy):
    """A policy with the two alarms that AWS makes for it."""

    def create_alarms(self) -> None:
        for about, compared in (("High", "GreaterThanThreshold"), ("Low", "LessThanThreshold")):
            alarm = cloudwatch_backends[self.account_id][self.region_name].put_metric_alarm(
                name=f"TargetTracking-{self.resource_id}-Alarm{about}-1",
                namespace="AWS/SageMaker",
                metric_name="InvocationsPerInstance",
                comparison_operator=compared,
                evaluation_periods=3,
                period=60,
                threshold=self._policy_body["TargetValue"],
                statistic="Sum",
                description="",
                dimensions=[],
                alarm_actions=[self.policy_arn],
            )
            self.alarms.append(alarm)


def deregister(self: Any, namespace: str, resource: str, dimension: str) -> None:
    """Removes a scalable target, its policies and their alarms. Raises AWS's error where there is none."""
    if resource not in self.targets.get(dimension, {}):
        raise JsonRESTError("ObjectNotFoundException", f"No scalable target found for resource ID: {resource}")
    for policy in [policy for policy in self.policies.values() if policy.resource_id == resource]:
        self.delete_scaling_policy(policy.policy_name, namespace, resource, dimension)
    del self.targets[dimension][resource]


def install(patch: pytest.MonkeyPatch) -> None:
    """Has moto do so."""
    patch.setattr(models, "FakeApplicationAutoscalingPolicy", Policy)
    patch.setattr(models.ApplicationAutoscalingBackend, "deregister_scalable_target", deregister)
