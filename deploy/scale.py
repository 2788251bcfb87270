"""How many machines: target tracking between two bounds, or a fixed number."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call
from deploy.belongings import Thing, is_scaled, remove_scaling
from deploy.errors import NotFound, Refused
from deploy.up import in_service, present

DIMENSION: Any = "sagemaker:variant:DesiredInstanceCount"
POLICY = "detect-gateway-invocations"


@dataclass(frozen=True)
class Tracking:
    """Bounds, and how many invocations a minute one instance should have."""

    minimum: int
    maximum: int
    invocations: float
    cooldown_in: int = 300
    cooldown_out: int = 60


def check_tracking(tracking: Tracking) -> None:
    """Raises Refused for bounds that cannot be."""
    if not 1 <= tracking.minimum <= tracking.maximum:
        raise Refused("Bounds are 1 ≤ --min ≤ --max.")
    if tracking.invocations <= 0:
        raise Refused("--invocations is how many pictures a minute one instance should have: more than 0.")


def track(aws: Aws, name: str, tracking: Tracking) -> None:
    """Sets target tracking; the same call changes it."""
    check_tracking(tracking)
    where: Any = {"ServiceNamespace": "sagemaker", "ResourceId": names.scaling_id(name), "ScalableDimension": DIMENSION}
    call(aws.scaling.register_scalable_target, **where, MinCapacity=tracking.minimum, MaxCapacity=tracking.maximum)
    call(
        aws.scaling.put_scaling_policy,
        **where,
        PolicyName=POLICY,
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": tracking.invocations,
            "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
            "ScaleInCooldown": tracking.cooldown_in,
            "ScaleOutCooldown": tracking.cooldown_out,
        },
    )
    aws.report(f"scaling {tracking.minimum} to {tracking.maximum} instances", done=1.0)


def stop_tracking(aws: Aws, name: str) -> bool:
    """Ends target tracking; False where there was none."""
    if not is_scaled(aws, name):
        return False
    with suppress(NotFound):
        remove_scaling(aws, Thing("scaling target", names.scaling_id(name), name))
    return True


def fix(aws: Aws, name: str, instances: int) -> None:
    """A fixed number of instances, now. Raises Refused where target tracking would change it again."""
    if instances < 1:
        raise Refused("An endpoint has at least one instance.")
    if is_scaled(aws, name):
        raise Refused("The endpoint scales by itself.", hint="`detect-deploy scale --off` first.")
    endpoint = present(aws, name)
    call(
        aws.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": names.VARIANT, "DesiredInstanceCount": instances}],
    )
    in_service(aws, name, endpoint.config)
