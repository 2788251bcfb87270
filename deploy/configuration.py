"""A model and an endpoint configuration: a wish in SageMaker's words.

What goes into a request is `Any`: botocore's own model of SageMaker checks its shape at the call.
"""

from dataclasses import dataclass
from typing import Any

from deploy import names
from deploy.aws import Aws, call, read_tags
from deploy.errors import AlreadyExists, AwsRefused, ElasticInferenceGone, NotFound
from deploy.targets import ELASTIC_INFERENCE_ENDED
from deploy.wish import Wish

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


def create_model(aws: Aws, wish: Wish, name: str, container: Any, role: str) -> None:
    """The model, or the same one from an earlier run."""
    try:
        call(
            aws.sagemaker.create_model,
            ModelName=name,
            PrimaryContainer=container,
            ExecutionRoleArn=role,
            Tags=names.tags(wish.endpoint, **wish.tags),
            **network(wish),
        )
    except AlreadyExists:
        return


def create_config(aws: Aws, wish: Wish, name: str, model: str) -> None:
    """The configuration, or the same one from an earlier run. Raises ElasticInferenceGone where AWS says so."""
    about = {names.TARGET_TAG: wish.target.name, names.SIZE_TAG: str(wish.input_size)}
    try:
        call(
            aws.sagemaker.create_endpoint_config,
            EndpointConfigName=name,
            ProductionVariants=[variant(wish, model)],
            Tags=names.tags(wish.endpoint, **about, **wish.tags),
            **storage(wish),
        )
    except AlreadyExists:
        return
    except AwsRefused as error:
        raise explained(wish, error) from error


def explained(wish: Wish, error: AwsRefused) -> AwsRefused:
    """AWS's refusal of an accelerator as the explanation that it is; any other as it was."""
    refused = wish.attached and any(word in str(error).lower() for word in ELASTIC_INFERENCE_WORDS)
    return ElasticInferenceGone(f"{ELASTIC_INFERENCE_ENDED} ({error})") if refused else error


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
    call(aws.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": names.PREVIOUS_TAG, "Value": previous}])
