"""A model and an endpoint configuration: a wish in SageMaker's words, and read back as one.

What goes into a request is `Any`: botocore's own model of SageMaker checks its shape at the call.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, read_tags, write_tags
from deploy.errors import AlreadyExists, AwsRefused, ElasticInferenceGone, NotFound
from deploy.targets import ELASTIC_INFERENCE_ENDED
from deploy.wish import Wish, default_image, target_named

STARTUP_SECONDS = 600  # how long a container may take until /ping answers
ELASTIC_INFERENCE_WORDS = ("elastic inference", "accelerator", "eia")


def container(wish: Wish, image: str, artifact_url: str) -> Any:
    """The model's container, as CreateModel takes it."""
    environment = {**wish.target.environment, **wish.environment}
    return {"Image": image, "ModelDataUrl": artifact_url, "Environment": environment}


def network(wish: Wish) -> Any:
    """What CreateModel is told of the network; nothing for the internet."""
    vpc = {"VpcConfig": {"Subnets": list(wish.subnets), "SecurityGroupIds": list(wish.security_groups)}}
    return {**(vpc if wish.subnets else {}), **({"EnableNetworkIsolation": True} if wish.isolated else {})}


def storage(wish: Wish) -> Any:
    """What CreateEndpointConfig is told of encryption and data capture; nothing by default."""
    key = {"KmsKeyId": wish.kms_key} if wish.kms_key else {}
    if not wish.capture_to:
        return key
    capture = {
        "EnableCapture": True,
        "InitialSamplingPercentage": wish.capture_percent,
        "DestinationS3Uri": wish.capture_to,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
    }
    return {**key, "DataCaptureConfig": capture}


def variant(wish: Wish, model: str) -> Any:
    """The configuration's one variant, as CreateEndpointConfig takes it."""
    common = {"VariantName": names.VARIANT, "ModelName": model, "InitialVariantWeight": 1.0}
    if wish.target.serverless:
        about = {"MemorySizeInMB": wish.memory_mb, "MaxConcurrency": wish.concurrency}
        ready = {"ProvisionedConcurrency": wish.provisioned} if wish.provisioned else {}
        return {**common, "ServerlessConfig": {**about, **ready}}
    chosen: dict[str, Any] = {
        **common,
        "InstanceType": wish.machine,
        "InitialInstanceCount": wish.instances,
        "ContainerStartupHealthCheckTimeoutInSeconds": STARTUP_SECONDS,
    }
    return {**chosen, "AcceleratorType": wish.attached} if wish.attached else chosen


def create_model(aws: Aws, wish: Wish, name: str, container: Any, role: str, tags: list[Any]) -> None:
    """The model, or the same one from an earlier run."""
    with suppress(AlreadyExists):
        call(
            aws.sagemaker.create_model,
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=role,
            Tags=tags,
            **network(wish),
        )


def create_config(aws: Aws, wish: Wish, name: str, model: str) -> None:
    """The configuration, or the same one from an earlier run. Raises ElasticInferenceGone where AWS says so."""
    about = {names.TARGET_TAG: wish.target.name, names.SIZE_TAG: str(wish.input_size)}
    with suppress(AlreadyExists), explaining(wish):
        call(
            aws.sagemaker.create_endpoint_config,
            EndpointConfigName=name,
            ProductionVariants=[variant(wish, model)],
            Tags=names.tags(wish.endpoint, **about, **wish.tags),
            **storage(wish),
        )


@contextmanager
def explaining(wish: Wish) -> Iterator[None]:
    """Raises ElasticInferenceGone where AWS refuses the wish's accelerator; any other refusal stays as it is."""
    try:
        yield
    except AwsRefused as error:
        if wish.attached and any(word in str(error).lower() for word in ELASTIC_INFERENCE_WORDS):
            raise ElasticInferenceGone(f"{ELASTIC_INFERENCE_ENDED} ({error})") from error
        raise


@dataclass(frozen=True)
class Source:
    """What a configuration runs: its model, the container's image, the artifact's s3:// address."""

    model: str
    image: str
    artifact_url: str


def source(aws: Aws, config: str) -> Source | None:
    """What a configuration runs, or None where it or its model is gone."""
    try:
        found = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)
        model = found["ProductionVariants"][0]["ModelName"]
        made_of = call(aws.sagemaker.describe_model, ModelName=model)["PrimaryContainer"]
    except NotFound:
        return None
    return Source(model, made_of["Image"], made_of["ModelDataUrl"])


def is_serverless(aws: Aws, config: str) -> bool:
    """Whether a configuration runs on no instances. Raises NotFound."""
    found = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)
    return "ServerlessConfig" in found["ProductionVariants"][0]


def kept_back(aws: Aws, config: str) -> str | None:
    """The configuration that served before this one, or None."""
    try:
        found = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)
    except NotFound:
        return None
    return read_tags(aws, found["EndpointConfigArn"]).get(names.PREVIOUS_TAG)


def remember(aws: Aws, config: str, previous: str) -> None:
    """Writes into a configuration which one served before it."""
    arn = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=config)["EndpointConfigArn"]
    write_tags(aws, arn, {names.PREVIOUS_TAG: previous})


@dataclass(frozen=True)
class Current:
    """A deployment: the wish it answers, the role it runs as, its artifact's s3:// address, its predecessor."""

    wish: Wish
    role: str
    artifact: str
    previous: str | None


def read_current(aws: Aws, endpoint: str, name: str) -> Current:
    """What an endpoint's configuration of this name says. Raises NotFound if it was deleted."""
    config = call(aws.sagemaker.describe_endpoint_config, EndpointConfigName=name)
    variant: Mapping[str, Any] = dict(config["ProductionVariants"][0])
    model = call(aws.sagemaker.describe_model, ModelName=variant["ModelName"])
    tags = read_tags(aws, config["EndpointConfigArn"])
    return Current(
        wish=wish_of(aws, endpoint, tags, dict(config), dict(model)),
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
