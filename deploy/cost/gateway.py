"""What the gateway itself costs on Fargate: its tasks, the load balancer, the way out to AWS."""

from dataclasses import dataclass

from deploy.cost.prices import Prices
from deploy.cost.ways import HOURS_A_MONTH


@dataclass(frozen=True)
class Gateway:
    """What `deploy/gateway/cloudformation.yaml` runs by default: tasks of a vCPU and 2 GB. `nats` are NAT gateways."""

    tasks: int = 2
    vcpus: float = 1.0
    memory_gb: float = 2.0
    arm: bool = False
    nats: int = 1


def gateway_cost(prices: Prices, gateway: Gateway) -> dict[str, float]:
    """Dollars a month by part, and their sum; what passes through them is not in it. Raises NotFound."""
    kind = "-arm" if gateway.arm else ""
    task = gateway.vcpus * prices.of(f"fargate-vcpu{kind}").usd + gateway.memory_gb * prices.of(f"fargate-gb{kind}").usd
    parts = {
        "tasks": gateway.tasks * task * HOURS_A_MONTH,
        "load_balancer": prices.of("load-balancer").usd * HOURS_A_MONTH,
        "nat": gateway.nats * prices.of("nat").usd * HOURS_A_MONTH,
    }
    return {**parts, "total": sum(parts.values())}
