"""The only place that knows boto3: clients, patience, and what its exceptions mean."""

import os
import re
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from deploy import errors
from deploy.targets import dns_suffix

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_pricing import PricingClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

P = ParamSpec("P")
T = TypeVar("T")

CONTROL = Config(retries={"mode": "standard", "max_attempts": 8}, connect_timeout=5, read_timeout=60)
# An invocation is billed, and a read timeout is retried by default: ask once.
RUNTIME = Config(retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=65)


class Report(Protocol):
    """Hears what AWS is doing: a sentence, and how much of it is done where that is known."""

    def __call__(self, text: str, done: float | None = None) -> None:
        """Says it."""


def silent(text: str, done: float | None = None) -> None:
    """Says nothing."""


def deaf(line: str) -> None:
    """Does not listen."""


@dataclass
class Aws:
    """An account and region as one run sees it; `poll`, `settle` and `limit` are seconds.

    `report` is told what AWS is doing, `hear` what the container logs meanwhile.
    """

    session: boto3.Session
    region: str
    account: str
    caller: str
    report: Report = silent
    hear: Callable[[str], None] = deaf
    poll: float = 5.0
    settle: float = 180.0
    limit: float = 3600.0

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.caller.split(":")[1]

    @property
    def suffix(self) -> str:
        """What the partition's host names end with."""
        return dns_suffix(self.region)

    @property
    def credential_source(self) -> str:
        """How boto3 found the caller: `iam-role` on an instance, `container-role` in a container."""
        credentials = self.session.get_credentials()
        return credentials.method if credentials else ""

    @cached_property
    def sagemaker(self) -> "SageMakerClient":
        """The control plane."""
        return self.session.client("sagemaker", config=CONTROL)

    @cached_property
    def runtime(self) -> "SageMakerRuntimeClient":
        """Invocations, which cost money: never repeated."""
        return self.session.client("sagemaker-runtime", config=RUNTIME)

    @cached_property
    def s3(self) -> "S3Client":
        """Buckets and artifacts."""
        return self.session.client("s3", config=CONTROL)

    @cached_property
    def iam(self) -> "IAMClient":
        """Roles."""
        return self.session.client("iam", config=CONTROL)

    @cached_property
    def logs(self) -> "CloudWatchLogsClient":
        """What the container says."""
        return self.session.client("logs", config=CONTROL)

    @cached_property
    def cloudwatch(self) -> "CloudWatchClient":
        """What SageMaker measures."""
        return self.session.client("cloudwatch", config=CONTROL)

    @cached_property
    def ecr(self) -> "ECRClient":
        """Container images."""
        return self.session.client("ecr", config=CONTROL)

    @cached_property
    def scaling(self) -> "ApplicationAutoScalingClient":
        """Target tracking."""
        return self.session.client("application-autoscaling", config=CONTROL)

    @cached_property
    def pricing(self) -> "PricingClient":
        """The price list; it lives in us-east-1 alone and knows every region."""
        return self.session.client("pricing", region_name="us-east-1", config=CONTROL)


def connect(region: str | None, profile: str | None, **patience: Any) -> Aws:
    """The account behind the credentials; region None is AWS_REGION, else the profile's.

    Raises NoCredentials, Refused without a region, Unreachable or PermissionDenied.
    """
    region = region or os.environ.get("AWS_REGION") or None  # which every AWS tool reads, and boto3 alone does not
    session = call(boto3.Session, region_name=region, profile_name=profile)
    if call(session.get_credentials) is None:
        raise errors.NoCredentials(
            "No AWS credentials were found.",
            hint="Set yours up with `aws configure`, or name a profile: --profile, AWS_PROFILE.",
        )
    if session.region_name is None:
        raise errors.Refused("No region.", hint="Give --region, or set AWS_REGION or the profile's region.")
    sts = call(session.client, "sts", config=CONTROL)
    identity = call(sts.get_caller_identity)
    return Aws(session, session.region_name, identity["Account"], identity["Arn"], **patience)


def call(method: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """What AWS answers. Raises our errors, never boto3's."""
    try:
        return method(*args, **kwargs)
    except (ClientError, BotoCoreError) as exc:
        raise translated(exc) from exc


def pages(client: Any, operation: str, key: str, **kwargs: Any) -> Iterator[Any]:
    """Every item of a listing; one page is in memory."""
    left = iter(client.get_paginator(operation).paginate(**kwargs))
    while (page := call(next, left, None)) is not None:
        yield from page.get(key, [])


def fetch(url: str) -> bytes:
    """What AWS has put behind a signed address. Raises Unreachable."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())
    except (OSError, ValueError) as exc:
        raise errors.Unreachable(f"AWS could not be asked: {one_line(exc)}", hint="Look at the network.") from exc


def until_visible(aws: Aws, action: Callable[[], T], what: str) -> T:
    """What the action answers, repeated for `settle` seconds while AWS does not see what was made a moment ago.

    SageMaker's reads are eventually consistent (source: CreateEndpoint in its API reference), and so are IAM's.
    """
    deadline = time.monotonic() + aws.settle
    while True:
        try:
            return action()
        except (errors.NotYetVisible, errors.NotFound):
            if time.monotonic() >= deadline:
                raise
            aws.report(f"{what}: AWS does not see yet what was made a moment ago, trying again")
            time.sleep(aws.poll)


# (error code, AWS's sentence) → our class; the first row that fits. SageMaker's code is mostly ValidationException.
MEANINGS: tuple[tuple[str, str, type[errors.DeployError]], ...] = (
    (r"AccessDenied.*|UnauthorizedOperation|403|NotAuthorized.*", r"", errors.PermissionDenied),
    (r"ValidationException", r"not authorized to perform", errors.PermissionDenied),
    (r"ValidationException", r"[Cc]ould not assume role|[Cc]ould not access model data", errors.NotYetVisible),
    (r"ValidationException", r"[Cc]annot create already existing", errors.AlreadyExists),
    (
        r"EntityAlreadyExists|BucketAlreadyOwnedByYou|(Resource|Repository)AlreadyExistsException",
        r"",
        errors.AlreadyExists,
    ),
    (r"ModelNotReadyException", r"", errors.NotYetVisible),
    (r"BucketAlreadyExists", r"", errors.NotOurs),
    (r"ValidationException", r"in-progress", errors.InProgress),
    (r"OperationAborted|OperationAbortedException|ConcurrentUpdateException", r"", errors.InProgress),
    (r"ValidationException", r"[Cc]ould not find|does not exist", errors.NotFound),
    (r"NoSuch.*|404|NotFound|ResourceNotFound.*|(Object|Image|Repository)NotFoundException", r"", errors.NotFound),
    (r"ServerSideEncryptionConfigurationNotFoundError", r"", errors.NotFound),
    (r"ResourceLimitExceeded|LimitExceeded.*|ServiceQuotaExceeded.*", r"", errors.QuotaExceeded),
    (r"ExpiredToken.*|InvalidClientTokenId|UnrecognizedClientException|SignatureDoesNotMatch", r"", errors.Unreachable),
)


def translated(exc: ClientError | BotoCoreError) -> errors.DeployError:
    """Our error for one of boto3's."""
    if not isinstance(exc, ClientError):
        return errors.Unreachable(
            f"AWS could not be asked: {one_line(exc)}",
            hint="Look at the credentials (AWS_PROFILE, --profile), the region and the network.",
        )
    code, sentence = exc.response["Error"].get("Code", ""), one_line(exc.response["Error"].get("Message", ""))
    for codes, words, kind in MEANINGS:
        if re.fullmatch(codes, code) and re.search(words, sentence):
            return kind(f"AWS refused {exc.operation_name}: {sentence or code}")
    return errors.AwsRefused(f"AWS refused {exc.operation_name} ({code}): {sentence}")


def one_line(text: object) -> str:
    """The text without line ends."""
    return " ".join(str(text).split())


def write_tags(aws: Aws, arn: str, tags: Mapping[str, str]) -> None:
    """Gives a SageMaker resource those of the tags that it does not carry yet."""
    if new := dict(tags.items() - read_tags(aws, arn).items()):
        call(aws.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": key, "Value": value} for key, value in new.items()])


def read_tags(aws: Aws, arn: str) -> dict[str, str]:
    """A SageMaker resource's tags; none where it has gone meanwhile."""
    try:
        return {tag["Key"]: tag["Value"] for tag in pages(aws.sagemaker, "list_tags", "Tags", ResourceArn=arn)}
    except errors.NotFound:
        return {}
