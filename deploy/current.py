"""What an endpoint runs now, read back as a wish, so that an update changes only what it is told to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, read_tags
from deploy.endpoint import Endpoint
from deploy.wish import Wish, default_image, target_named


@dataclass(frozen=True)
class Current:
    """A deployment: the wish it answers, the role it runs as, its artifact's s3:// address, its predecessor."""

    wish: Wish
    role: str
    artifact: str
    previous: str | None


def read_current(aws: Aws, endpoint: Endpoint) -> Current:
    """What the endpoint's configuration says. Raises NotFound where somebody removed it."""
    config = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=endpoint.config)
    variant: Mapping[str, Any] = dict(config["ProductionVariants"][0])
    model = call(aws.sagemaker.describe_model, ModelName=variant["ModelName"])
    tags = read_tags(aws, config["EndpointConfigArn"])
    return Current(
        wish=wish_of(aws, endpoint.name, tags, dict(config), dict(model)),
        role=model["ExecutionRoleArn"],
        artifact=model["PrimaryContainer"]["ModelDataUrl"],
        previous=tags.get(names.PREVIOUS_TAG),
    )


def wish_of(aws: Aws, name: str, tags: dict[str, str], config: Mapping[str, Any], model: Mapping[str, Any]) -> Wish:
    """The wish that makes this configuration and model."""
    target = target_named(tags.get(names.TARGET_TAG, "cpu"))
    variant, container = config["ProductionVariants"][0], model["PrimaryContainer"]
    serverless, vpc = variant.get("ServerlessConfig", {}), model.get("VpcConfig", {})
    capture = config.get("DataCaptureConfig", {})
    image = container["Image"]
    return Wish(
        endpoint=name,
        target=target,
        image=None if image == default_image(target, aws.region) else image,
        instance_type=variant.get("InstanceType"),
        instances=variant.get("InitialInstanceCount", 1),
        accelerator=variant.get("AcceleratorType"),
        memory_mb=serverless.get("MemorySizeInMB", 2048),
        concurrency=serverless.get("MaxConcurrency", 5),
        provisioned=serverless.get("ProvisionedConcurrency"),
        input_size=int(tags.get(names.SIZE_TAG, Wish.input_size)),
        environment={k: v for k, v in container.get("Environment", {}).items() if k not in target.environment},
        legacy_elastic_inference="AcceleratorType" in variant,
        subnets=tuple(vpc.get("Subnets", ())),
        security_groups=tuple(vpc.get("SecurityGroupIds", ())),
        isolated=model.get("EnableNetworkIsolation", False),
        kms_key=config.get("KmsKeyId"),
        capture_to=capture.get("DestinationS3Uri"),
        capture_percent=capture.get("InitialSamplingPercentage", 100),
        tags={key: value for key, value in tags.items() if not names.is_own(key) and not key.startswith("aws:")},
    )
