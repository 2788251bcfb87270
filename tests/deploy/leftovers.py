"""What is in the account, asked of the stand-in's own state and not of the code under test."""

from tests.deploy import moto_side
from tests.deploy.cloud import ACCOUNT, REGION, Cloud
from tests.deploy.transforms import LOGS


def leftovers(cloud: Cloud) -> list[str]:
    """Everything that exists, but for roles and buckets."""
    return [
        *(f"{kind} {name}" for kind, name in cloud.plane.items if kind != "transform-job"),  # AWS keeps these for ever
        *(f"transform job {job.name}" for job in cloud.plane.transforms.active()),
        *(f"running {name}" for name in cloud.plane.running),
        *moto_side.objects(ACCOUNT),
        *moto_side.scaled(ACCOUNT, REGION),
        *(f"policy of {name}" for name in moto_side.scaling_policies(ACCOUNT, REGION)),
        *moto_side.alarms(ACCOUNT, REGION),
        *(group for group in moto_side.log_groups(ACCOUNT, REGION) if group != LOGS),  # of all jobs of the account
    ]


def count(cloud: Cloud, kind: str) -> int:
    """How many of a kind there are."""
    return sum(found == kind for found, _ in cloud.plane.items)
