"""Names and tags: one place decides what a resource is called, so that a second run finds the first one's work."""

import hashlib
import json
from typing import Any

TAG = "detect-gateway:endpoint"
TARGET_TAG = "detect-gateway:target"
SIZE_TAG = "detect-gateway:input-size"
BUCKETS_TAG = "detect-gateway:buckets"
PREVIOUS_TAG = "detect-gateway:previous"
BATCH_TAG = "detect-gateway:batch"
PREFIX = "detect-gateway"
BATCH_PREFIX = "detect-gateway-batch"
BOUNDARY = "detect-gateway-boundary"
VARIANT = "main"


def content_name(endpoint: str, content: Any) -> str:
    """A name that is the content's: same content, same name. At most 63 characters for an endpoint of 50."""
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"{endpoint}-{digest[:12]}"


def bucket_name(region: str, account: str) -> str:
    """The bucket that SageMaker's own tools use."""
    return f"sagemaker-{region}-{account}"


def artifact_folder(endpoint: str) -> str:
    """The prefix of everything that an endpoint has in the bucket."""
    return f"{PREFIX}/{endpoint}/"


def artifact_key(endpoint: str, sha256: str) -> str:
    """Where an artifact lies."""
    return f"{artifact_folder(endpoint)}{sha256}/model.tar.gz"


def batch_name(endpoint: str) -> str:
    """What the batch jobs beside an endpoint are called: their role is another than the endpoint's."""
    return f"{endpoint}-batch"


def batch_folder(name: str, job: str = "") -> str:
    """The prefix of everything that batch jobs, or one of them, have in the bucket; nothing of endpoints is there."""
    return f"{BATCH_PREFIX}/{name}/{job and f'{job}/'}"


def role_name(region: str, endpoint: str) -> str:
    """The execution role that we make: one for each endpoint, so that it may read that endpoint's artifact alone."""
    name = f"{PREFIX}-{region}-{endpoint}"
    return name if len(name) <= 64 else content_name(name[:51], name)


def log_group(endpoint: str) -> str:
    """Where SageMaker writes what the container says."""
    return f"/aws/sagemaker/Endpoints/{endpoint}"


def transform_log_group() -> str:
    """Where SageMaker writes what the containers of all transform jobs say, a stream for each job and instance."""
    return "/aws/sagemaker/TransformJobs"


def scaling_id(endpoint: str) -> str:
    """The variant as Application Auto Scaling names it."""
    return f"endpoint/{endpoint}/variant/{VARIANT}"


def alarm(endpoint: str, about: str) -> str:
    """An alarm that rolls an update back."""
    return f"{PREFIX}/{endpoint}/{about}"


def dimensions(endpoint: str) -> list[Any]:
    """The endpoint's variant as CloudWatch names it."""
    return [{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": VARIANT}]


def is_own(tag: str) -> bool:
    """Whether a tag is one of ours, and not the operator's or AWS's."""
    return tag.startswith(f"{PREFIX}:")


def batch_tags(name: str, **more: str) -> list[Any]:
    """The same for what a batch job makes, which is no endpoint's."""
    return [{"Key": BATCH_TAG, "Value": name}, *({"Key": key, "Value": value} for key, value in more.items())]


def tags(endpoint: str, **more: str) -> list[Any]:
    """What we put on everything that we make: our tag, and the operator's."""
    return [{"Key": TAG, "Value": endpoint}, *({"Key": key, "Value": value} for key, value in more.items())]
