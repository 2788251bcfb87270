"""The IAM documents of the three roles: who deploys, what the endpoint runs as, who may invoke it.

Each names the actions that the code really calls, on the resources that it really touches; a test compares them.
"""

from dataclasses import dataclass
from typing import Any

from deploy import names

Document = dict[str, Any]


@dataclass(frozen=True)
class Scope:
    """What the documents are about. `image` is the container's, so that its repository may be read."""

    partition: str
    region: str
    account: str
    endpoint: str
    bucket: str
    role_arn: str
    image: str = ""

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        """The ARN of a resource in this account and region."""
        where = f"{self.region if region else ''}:{self.account if account else ''}"
        return f"arn:{self.partition}:{service}:{where}:{resource}"

    @property
    def objects(self) -> str:
        """The endpoint's artifacts."""
        return self.arn("s3", f"{self.bucket}/{names.artifact_folder(self.endpoint)}*", region=False, account=False)

    @property
    def log_group(self) -> str:
        """The endpoint's log group."""
        return self.arn("logs", f"log-group:{names.log_group(self.endpoint)}")


def deployer(scope: Scope) -> Document:
    """What `detect-deploy` itself calls, for one endpoint."""
    endpoint = scope.endpoint.lower()
    sagemaker = [scope.arn("sagemaker", f"{kind}/{endpoint}") for kind in ("endpoint",)]
    sagemaker += [scope.arn("sagemaker", f"{kind}/{endpoint}-*") for kind in ("model", "endpoint-config")]
    bucket = scope.arn("s3", scope.bucket, region=False, account=False)
    return document(
        allow("Endpoint", DEPLOYER_SAGEMAKER, *sagemaker),
        allow("Lists", DEPLOYER_LISTS, "*"),
        allow("Bucket", DEPLOYER_BUCKET, bucket),
        allow("Artifacts", ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"), scope.objects),
        allow("Role", DEPLOYER_ROLE, scope.role_arn),
        allow("PassRole", ("iam:PassRole",), scope.role_arn, {"iam:PassedToService": "sagemaker.amazonaws.com"}),
        allow("ScalingRole", ("iam:CreateServiceLinkedRole",), "*", {"iam:AWSServiceName": SCALING_SERVICE}),
        allow("Log", DEPLOYER_LOG, scope.log_group, f"{scope.log_group}:*"),
    )


DEPLOYER_SAGEMAKER = (
    "sagemaker:AddTags",
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateModel",
    "sagemaker:DeleteEndpoint",
    "sagemaker:DeleteEndpointConfig",
    "sagemaker:DeleteModel",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:InvokeEndpoint",
    "sagemaker:ListTags",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
)
# None of these can be limited to a resource.
DEPLOYER_LISTS = (
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModels",
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:DescribeScalableTargets",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
    "cloudwatch:GetMetricData",
    "logs:DescribeLogGroups",
    "logs:ListTagsForResource",
    "pricing:GetProducts",
)
DEPLOYER_BUCKET = (
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:GetBucketPublicAccessBlock",
    "s3:ListBucket",
    "s3:PutBucketPublicAccessBlock",
)
DEPLOYER_ROLE = (
    "iam:CreateRole",
    "iam:DeleteRole",
    "iam:DeleteRolePolicy",
    "iam:GetRole",
    "iam:GetRolePolicy",
    "iam:ListRolePolicies",
    "iam:PutRolePolicy",
    "iam:TagRole",
)
DEPLOYER_LOG = (
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:FilterLogEvents",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
)
SCALING_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"


def trust() -> Document:
    """Who may run as the execution role: SageMaker alone."""
    statement = {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
    return document(statement)


def execution(scope: Scope) -> Document:
    """What the endpoint needs: its artifact, its image, its log, its metrics."""
    statements = [
        allow("Artifacts", ("s3:GetObject",), scope.objects),
        allow("Log", ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"), f"{scope.log_group}:*"),
        allow("Metrics", ("cloudwatch:PutMetricData",), "*", {"cloudwatch:namespace": "AWS/SageMaker"}),
        allow("ImageToken", ("ecr:GetAuthorizationToken",), "*"),
    ]
    pull = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
    if repository := ecr_repository(scope):
        statements.append(allow("Image", pull, repository))
    return document(*statements)


def ecr_repository(scope: Scope) -> str:
    """The ARN of the image's repository; empty where the image is not in ECR."""
    host, _, path = scope.image.partition("/")
    parts = host.split(".")
    if len(parts) < 6 or parts[1:3] != ["dkr", "ecr"]:
        return ""
    repository = path.split("@")[0].split(":")[0]
    return f"arn:{scope.partition}:ecr:{parts[3]}:{parts[0]}:repository/{repository}"


def gateway(scope: Scope) -> Document:
    """What the gateway needs: to invoke the one endpoint."""
    endpoint = scope.arn("sagemaker", f"endpoint/{scope.endpoint.lower()}")
    return document(allow("Invoke", ("sagemaker:InvokeEndpoint",), endpoint))


def allow(name: str, actions: tuple[str, ...], *resources: str | dict[str, str]) -> Document:
    """One statement; a dict among the resources is its condition."""
    where = [resource for resource in resources if isinstance(resource, str)]
    statement: Document = {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": where}
    conditions = [resource for resource in resources if isinstance(resource, dict)]
    if conditions:
        statement["Condition"] = {"StringEquals": conditions[0]}
    return statement


def document(*statements: Document) -> Document:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
