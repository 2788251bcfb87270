"""How many machines: target tracking between two bounds, or a fixed number."""

from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from deploy import names
from deploy.aws import Aws, call
from deploy.belongings import Thing, is_scaled, remove_scaling
from deploy.errors import NotFound, Refused
from deploy.up import in_service, present
from deploy.wish import Wish

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


def bounds(order: Order, wish: Wish) -> tuple[int, int]:
    """Least and most instances after an order."""
    if order.tracking is not None:
        return order.tracking.minimum, order.tracking.maximum
    count = order.instances or wish.instances
    return count, count


def with_instances(wish: Wish, instances: int) -> Wish:
    """The same endpoint with another number of instances."""
    return replace(wish, instances=instances)


def carry_out(aws: Aws, name: str, order: Order) -> None:
    """Follows an order for an endpoint with instances."""
    if order.tracking is not None:
        track(aws, name, order.tracking)
    elif order.instances is not None:
        fix(aws, name, order.instances)
    else:
        stop_tracking(aws, name)


def check_tracking(tracking: Tracking) -> None:
    """Raises Refused for bounds that cannot be."""
    if not 1 <= tracking.minimum <= tracking.maximum:
        raise Refused("Bounds are 1 ≤ --min ≤ --max.")
    if tracking.invocations <= 0:
        raise Refused("--invocations is how many pictures a minute one instance should have: more than 0.")


def track(aws: Aws, name: str, tracking: Tracking) -> None:
    """Sets target tracking; the same call changes it."""
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
    if is_scaled(aws, name):
        raise Refused("The endpoint scales by itself.", hint="`detect-deploy scale --off` first.")
    endpoint = present(aws, name)
    call(
        aws.sagemaker.update_endpoint_weights_and_capacities,
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": names.VARIANT, "DesiredInstanceCount": instances}],
    )
    in_service(aws, name, endpoint.config)
