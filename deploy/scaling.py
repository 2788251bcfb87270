"""How many instances: target tracking between two bounds, a fixed number, or serverless concurrency."""

from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, pages
from deploy.errors import NotFound, Refused
from deploy.wish import Wish, family

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


@dataclass(frozen=True)
class Order:
    """One of: target tracking, a fixed number of instances, serverless concurrency, the end of tracking."""

    tracking: Tracking | None = None
    instances: int | None = None
    concurrency: int | None = None
    off: bool = False


def check_order(order: Order, wish: Wish) -> None:
    """Raises Refused for none or several orders at once, or one that the target cannot follow."""
    given = (order.tracking is not None, order.instances is not None, order.concurrency is not None, order.off)
    if sum(given) != 1:
        raise Refused("One of --max, --instances, --concurrency and --off.")
    if wish.target.serverless != (order.concurrency is not None):
        ways = "--concurrency" if wish.target.serverless else "--max, --instances or --off"
        raise Refused(f"The target {wish.target.name} scales with {ways}.")
    if order.instances is not None and order.instances < 1:
        raise Refused("An endpoint has at least one instance.")
    if order.tracking is not None:
        check_tracking(order.tracking)
        if family(wish.machine or "") == "t2":
            raise Refused(
                "SageMaker does not scale t2 instances.", hint="Choose another with `update --instance-type`."
            )


def check_tracking(tracking: Tracking) -> None:
    """Raises Refused for bounds that cannot be."""
    if not 1 <= tracking.minimum <= tracking.maximum:
        raise Refused("Bounds are 1 ≤ --min ≤ --max.")
    if tracking.invocations <= 0:
        raise Refused("--invocations is how many images a minute one instance should have: more than 0.")


def bounds(order: Order, wish: Wish) -> tuple[int, int]:
    """Minimum and maximum instances after an order."""
    if order.tracking is not None:
        return order.tracking.minimum, order.tracking.maximum
    count = order.instances or wish.instances
    return count, count


def track(aws: Aws, endpoint: str, tracking: Tracking) -> None:
    """Sets target tracking; the same call changes it."""
    where = dimension(names.scaling_id(endpoint))
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


def stop_tracking(aws: Aws, resource: str) -> bool:
    """Ends target tracking, and AWS removes the policy and its alarms with it; False where there was none."""
    try:
        call(aws.scaling.deregister_scalable_target, **dimension(resource))
    except NotFound:
        return False
    return True


def tracked(aws: Aws, endpoint: str) -> tuple[int, int] | None:
    """The bounds of target tracking, or None for an endpoint that does not scale by itself."""
    ids = [names.scaling_id(endpoint)]
    for target in pages(
        aws.scaling, "describe_scalable_targets", "ScalableTargets", ServiceNamespace="sagemaker", ResourceIds=ids
    ):
        return target["MinCapacity"], target["MaxCapacity"]
    return None


def dimension(resource: str) -> dict[str, Any]:
    """What scales, in the words of Application Auto Scaling."""
    return {"ServiceNamespace": "sagemaker", "ResourceId": resource, "ScalableDimension": DIMENSION}
