"""A wish in SageMaker's words: the container of a model, the variant of a configuration.

What comes out is `Any`: botocore's own model of SageMaker checks its shape at the call.
"""

from typing import Any

from deploy import names
from deploy.wish import Wish

STARTUP_SECONDS = 600  # how long a container may take until /ping answers


def container(wish: Wish, image: str, artifact_url: str) -> Any:
    """The model's container, as CreateModel takes it."""
    environment = {**wish.target.environment, **wish.environment}
    return {"Image": image, "ModelDataUrl": artifact_url, "Environment": environment}


def variant(wish: Wish, model: str) -> Any:
    """The configuration's one variant, as CreateEndpointConfig takes it."""
    common = {"VariantName": names.VARIANT, "ModelName": model, "InitialVariantWeight": 1.0}
    if wish.target.serverless:
        return {**common, "ServerlessConfig": {"MemorySizeInMB": wish.memory_mb, "MaxConcurrency": wish.concurrency}}
    chosen: dict[str, Any] = {
        **common,
        "InstanceType": wish.machine,
        "InitialInstanceCount": wish.instances,
        "ContainerStartupHealthCheckTimeoutInSeconds": STARTUP_SECONDS,
    }
    return {**chosen, "AcceleratorType": wish.attached} if wish.attached else chosen


def machine_note(wish: Wish) -> str:
    """What the endpoint runs on, in words."""
    if wish.target.serverless:
        return f"serverless, {wish.memory_mb} MB, {wish.concurrency} at once"
    attached = f" with {wish.attached}" if wish.attached else ""
    return f"{wish.instances} × {wish.machine}{attached}"
