"""The IAM documents: who deploys, what the endpoint runs as, who may invoke it, who may remove what others left.

Each names the actions that the code really calls, on the resources that it really touches, under the conditions that
keep it there; the tests evaluate every call against them.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

from deploy import names

Document = dict[str, Any]
Condition = dict[str, dict[str, Any]]

SAGEMAKER = "sagemaker.amazonaws.com"
SCALING_SERVICE = "sagemaker.application-autoscaling.amazonaws.com"
# Where the container's CPU and memory are counted, beside AWS/SageMaker.
METRICS = "/aws/sagemaker/Endpoints"
TRANSFORM_METRICS = "/aws/sagemaker/TransformJobs"


@dataclass(frozen=True)
class Scope:
    """What the documents are about.

    `images` are the containers' and `buckets` the artifacts': the new one first, then those of the configurations that
    serve or are kept back. `own_role` means that we make the role. `keys` are the buckets' KMS keys. `batch`: it is
    about batch jobs; `reads` and `writes` are the BUCKET/PREFIX of images and answers that such a job itself touches.
    """

    partition: str
    region: str
    account: str
    endpoint: str
    role_arn: str
    buckets: tuple[str, ...]
    images: tuple[str, ...] = ()
    own_role: bool = True
    keys: tuple[str, ...] = ()
    vpc: bool = False
    capture: str = ""
    volume_key: str = ""
    batch: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()

    @property
    def bucket(self) -> str:
        """The bucket of the new artifact."""
        return self.buckets[0]

    @property
    def image(self) -> str:
        """The new container's image."""
        return self.images[0]

    @property
    def boundary_arn(self) -> str:
        """The ARN of the permissions boundary of every role that we make."""
        return self.arn("iam", f"policy/{names.BOUNDARY}", region=False)

    @property
    def log_group(self) -> str:
        """The ARN of the endpoint's log group, or of the one that all transform jobs share."""
        group = names.transform_log_group() if self.batch else names.log_group(self.endpoint)
        return self.arn("logs", f"log-group:{group}")

    @property
    def alarms(self) -> str:
        """The ARN of every alarm, as DescribeAlarms requires it."""
        return self.arn("cloudwatch", "alarm:*")

    @property
    def scalable(self) -> str:
        """The ARN of everything that scales, whose names AWS makes up."""
        return self.arn("application-autoscaling", "scalable-target/*")

    @property
    def repositories(self) -> list[str]:
        """The ARNs of the images' repositories; none for images that are not in ECR."""
        return sorted({arn for image in self.images if (arn := repository_arn(self.partition, image))})

    def arn(self, service: str, resource: str, *, region: bool = True, account: bool = True) -> str:
        """The ARN of a resource in this account and region."""
        where = f"{self.region if region else ''}:{self.account if account else ''}"
        return f"arn:{self.partition}:{service}:{where}:{resource}"

    def bucket_arns(self, path: str = "") -> list[str]:
        """The ARNs of the buckets, or of what lies under a path in them."""
        return [self.arn("s3", bucket + path, region=False, account=False) for bucket in sorted(set(self.buckets))]

    def objects(self) -> list[str]:
        """The ARNs of the endpoint's artifacts, or of the batch jobs' files."""
        folder = names.batch_folder(self.endpoint) if self.batch else names.artifact_folder(self.endpoint)
        return self.bucket_arns(f"/{folder}*")

    def sagemaker(self, *kinds: str) -> list[str]:
        """The endpoint's ARN, and those of its models and configurations: its name and twelve characters, no more.

        A star would match the models of an endpoint whose name begins with this one's.
        """
        endpoint = self.endpoint.lower()  # as SageMaker writes it, and IAM compares letter by letter
        suffix = {"endpoint": ""}
        return [self.arn("sagemaker", f"{kind}/{endpoint}{suffix.get(kind, '-' + 12 * '?')}") for kind in kinds]


def repository_arn(partition: str, image: str) -> str:
    """The ARN of an image's repository; empty where the image is not in ECR."""
    host, _, path = image.partition("/")
    parts = host.split(".")
    if len(parts) < 6 or parts[1:3] != ["dkr", "ecr"]:
        return ""
    repository = path.split("@")[0].split(":")[0]
    return f"arn:{partition}:ecr:{parts[3]}:{parts[0]}:repository/{repository}"


ALL = ("endpoint", "endpoint-config", "model")


def deployer(scope: Scope) -> Document:
    """What `detect-deploy` itself calls, for one endpoint."""
    ours = {"StringEquals": {f"aws:ResourceTag/{names.TAG}": scope.endpoint}}
    passed = {"StringEquals": {"iam:PassedToService": SAGEMAKER}}
    scales = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
    linked = {"StringEquals": {"iam:AWSServiceName": SCALING_SERVICE}}
    service_role = f"role/aws-service-role/{SCALING_SERVICE}/*"
    alarms = [f"alarm:TargetTracking-{names.scaling_id(scope.endpoint)}-*", f"alarm:{names.alarm(scope.endpoint, '*')}"]
    return document(
        allow("Make", DEPLOYER_MAKES, scope.sagemaker(*ALL)),
        allow("Remove", DEPLOYER_REMOVES, scope.sagemaker(*ALL), ours),
        allow("Look", DEPLOYER_LOOKS, ["*"]),
        allow("Scale", DEPLOYER_SCALES, [scope.scalable], scales),
        allow("LookAtAlarms", ("cloudwatch:DescribeAlarms",), [scope.alarms]),
        allow("Alarms", DEPLOYER_ALARMS, [scope.arn("cloudwatch", alarm) for alarm in alarms]),
        allow("Bucket", DEPLOYER_BUCKET, scope.bucket_arns()),
        allow("Artifacts", DEPLOYER_ARTIFACTS, scope.objects()),
        *encryption(scope, "kms:Decrypt", "kms:GenerateDataKey"),
        *volume(scope),
        *roles(scope),
        allow("PassRole", ("iam:PassRole",), [scope.role_arn], passed),
        allow("ScalingRole", ("iam:CreateServiceLinkedRole",), [scope.arn("iam", service_role, region=False)], linked),
        allow("Log", DEPLOYER_LOG, [scope.log_group, f"{scope.log_group}:*"]),
        *([allow("Image", DEPLOYER_IMAGE, scope.repositories)] if scope.repositories else []),
    )


DEPLOYER_MAKES = (
    "sagemaker:AddTags",
    "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig",
    "sagemaker:CreateModel",
    "sagemaker:DescribeEndpoint",
    "sagemaker:DescribeEndpointConfig",
    "sagemaker:DescribeModel",
    "sagemaker:InvokeEndpoint",
    "sagemaker:ListTags",
    "sagemaker:UpdateEndpoint",
    "sagemaker:UpdateEndpointWeightsAndCapacities",
)
DEPLOYER_REMOVES = ("sagemaker:DeleteEndpoint", "sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel")
# None of these can be limited to a resource.
DEPLOYER_LOOKS = (
    "application-autoscaling:DescribeScalableTargets",
    "cloudwatch:GetMetricData",
    "ecr:GetAuthorizationToken",
    "logs:DescribeLogGroups",
    "pricing:GetProducts",
    "sagemaker:ListEndpointConfigs",
    "sagemaker:ListEndpoints",
    "sagemaker:ListModels",
)
DEPLOYER_SCALES = (
    "application-autoscaling:DeregisterScalableTarget",
    "application-autoscaling:PutScalingPolicy",
    "application-autoscaling:RegisterScalableTarget",
)
DEPLOYER_ALARMS = ("cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource")
DEPLOYER_BUCKET = (
    "s3:CreateBucket",
    "s3:DeleteBucket",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketPublicAccessBlock",
)
DEPLOYER_ARTIFACTS = ("s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject")
DEPLOYER_ROLE = ("iam:DeleteRole", "iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:TagRole")
DEPLOYER_BOUNDED = ("iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy")
DEPLOYER_LOG = (
    "logs:CreateLogGroup",
    "logs:DeleteLogGroup",
    "logs:FilterLogEvents",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
)
# Looks an image up, and pushes one with `detect-deploy image`.
DEPLOYER_IMAGE = (
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:CompleteLayerUpload",
    "ecr:CreateRepository",
    "ecr:DescribeImages",
    "ecr:GetDownloadUrlForLayer",
    "ecr:InitiateLayerUpload",
    "ecr:PutImage",
    "ecr:UploadLayerPart",
)


def roles(scope: Scope) -> list[Document]:
    """What the deployer may do with the execution role: nothing but pass and read somebody else's.

    Without the boundary, a deployer who may make a role, write its policy and pass it may become administrator.
    """
    if not scope.own_role:
        return [allow("Role", ("iam:GetRole",), [scope.role_arn])]
    bounded = {"ArnEquals": {"iam:PermissionsBoundary": scope.boundary_arn}}
    return [
        allow("Role", DEPLOYER_ROLE, [scope.role_arn]),
        allow("BoundedRole", DEPLOYER_BOUNDED, [scope.role_arn], bounded),
        allow("Boundary", ("iam:GetPolicy",), [scope.boundary_arn]),
    ]


def encryption(scope: Scope, *actions: str) -> list[Document]:
    """The right to use the buckets' own KMS keys, through S3 alone."""
    via = {"StringLike": {"kms:ViaService": f"s3.{scope.region}.amazonaws.com*"}}
    return [allow("Encryption", actions, list(scope.keys), via)] if scope.keys else []


def orphans(scope: Scope) -> Document:
    """What `down --all-orphans` calls besides: it removes what earlier runs of any endpoint left, and no more."""
    ours = {"Null": {f"aws:ResourceTag/{names.TAG}": "false"}}
    kinds = [scope.arn("sagemaker", f"{kind}/*") for kind in ALL]
    group = scope.arn("logs", f"log-group:{names.log_group('*')}")
    scales = {"StringEquals": {"application-autoscaling:service-namespace": "sagemaker"}}
    return document(
        allow("Look", ("sagemaker:DescribeEndpoint", "sagemaker:ListTags", *DEPLOYER_READS), kinds),
        allow("Remove", DEPLOYER_REMOVES, kinds, ours),
        allow("Scale", ("application-autoscaling:DeregisterScalableTarget",), [scope.scalable], scales),
        allow("Alarms", ("cloudwatch:DeleteAlarms",), [scope.arn("cloudwatch", f"alarm:{names.alarm('*', '*')}")]),
        allow("Artifacts", ("s3:DeleteObjectVersion",), scope.bucket_arns(f"/{names.PREFIX}/*")),
        allow("Log", ("logs:DeleteLogGroup", "logs:ListTagsForResource"), [group, f"{group}:*"]),
    )


DEPLOYER_READS = ("sagemaker:DescribeEndpointConfig", "sagemaker:DescribeModel")


def trust(scope: Scope) -> Document:
    """Who may run as the execution role: SageMaker alone, and for this account alone."""
    statement = {"Effect": "Allow", "Principal": {"Service": SAGEMAKER}, "Action": "sts:AssumeRole"}
    return document({**statement, "Condition": {"StringEquals": {"aws:SourceAccount": scope.account}}})


LOGS = ("logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
# What SageMaker does in the role's name to put the container into a VPC.
NETWORK = (
    "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission",
    "ec2:DeleteNetworkInterface",
    "ec2:DeleteNetworkInterfacePermission",
)
NETWORK_LOOKS = (
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroups",
    "ec2:DescribeSubnets",
    "ec2:DescribeVpcs",
)


def volume(scope: Scope) -> list[Document]:
    """The right to have SageMaker encrypt disks with the operator's key."""
    if not scope.volume_key:
        return []
    return [allow("VolumeKey", ("kms:CreateGrant", "kms:DescribeKey"), [scope.volume_key])]


def network(scope: Scope) -> list[Document]:
    """The right to put the container into a VPC of this account."""
    ours = scope.arn("ec2", "*", region=False).replace("ec2::", "ec2:*:")
    return [allow("Network", NETWORK, [ours]), allow("LookAtNetwork", NETWORK_LOOKS, ["*"])]


def execution(scope: Scope) -> Document:
    """What the endpoint needs: artifacts, images, log and metrics, of all that serves, is kept back or is new."""
    if scope.batch:
        return transformation(scope)
    captured = [scope.arn("s3", f"{scope.capture}/*", region=False, account=False)]
    return document(
        allow("Artifacts", ("s3:GetObject",), scope.objects()),
        *encryption(scope, "kms:Decrypt"),
        allow("Log", LOGS, [f"{scope.log_group}:*"]),
        allow("Metrics", ("cloudwatch:PutMetricData",), ["*"], {"StringEquals": {"cloudwatch:namespace": METRICS}}),
        allow("Alarms", ("cloudwatch:DescribeAlarms",), [scope.alarms]),
        allow("Registry", ("ecr:GetAuthorizationToken",), ["*"]),
        *([allow("Image", PULL, scope.repositories)] if scope.repositories else []),
        *(network(scope) if scope.vpc else []),
        *([allow("Capture", ("s3:PutObject",), captured)] if scope.capture else []),
    )


def transformation(scope: Scope) -> Document:
    """What a batch job needs: its artifact, shards and answers, image, log and metrics, and what it reads in place."""
    metrics = {"StringEquals": {"cloudwatch:namespace": TRANSFORM_METRICS}}
    return document(
        allow("Files", ("s3:GetObject", "s3:PutObject"), scope.objects()),
        allow("Bucket", ("s3:ListBucket",), scope.bucket_arns()),
        *in_place(scope),
        *encryption(scope, "kms:Decrypt", "kms:GenerateDataKey"),
        allow("Log", TRANSFORM_LOGS, [scope.log_group, f"{scope.log_group}:*"]),
        allow("Metrics", ("cloudwatch:PutMetricData",), ["*"], metrics),
        allow("Registry", ("ecr:GetAuthorizationToken",), ["*"]),
        *([allow("Image", PULL, scope.repositories)] if scope.repositories else []),
        *(network(scope) if scope.vpc else []),
    )


def in_place(scope: Scope) -> list[Document]:
    """The right to read images and write answers that lie elsewhere in S3."""

    def arns(places: tuple[str, ...]) -> list[str]:
        return [scope.arn("s3", f"{place}*", region=False, account=False) for place in places]

    buckets = sorted({place.split("/")[0] for place in (*scope.reads, *scope.writes)})
    listed = [scope.arn("s3", bucket, region=False, account=False) for bucket in buckets]
    return [
        *([allow("Places", ("s3:ListBucket",), listed)] if listed else []),
        *([allow("Images", ("s3:GetObject",), arns(scope.reads))] if scope.reads else []),
        *([allow("Answers", ("s3:PutObject",), arns(scope.writes))] if scope.writes else []),
    ]


TRANSFORM_LOGS = ("logs:CreateLogGroup", *LOGS)


def boundary(scope: Scope) -> Document:
    """The most that a role of ours may ever be given: what endpoints and batch jobs need. An administrator makes it."""
    group = scope.arn("logs", f"log-group:{names.log_group('*')}").replace(scope.region, "*")
    transforms = scope.arn("logs", f"log-group:{names.transform_log_group()}").replace(scope.region, "*")
    metrics = {"StringEquals": {"cloudwatch:namespace": [METRICS, TRANSFORM_METRICS]}}
    via = {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com*"}}
    same = {"StringEquals": {"aws:ResourceAccount": scope.account}}
    everywhere = partial(scope.arn, "s3", region=False, account=False)
    return document(
        allow(
            "Artifacts", ("s3:GetObject",), [everywhere(f"*/{p}/*") for p in (names.PREFIX, names.BATCH_PREFIX)], same
        ),
        allow("Bucket", ("s3:ListBucket",), [everywhere("*")], same),
        allow("Capture", ("s3:PutObject",), [everywhere("*")], same),
        allow("Encryption", ("kms:Decrypt", "kms:GenerateDataKey"), [f"arn:{scope.partition}:kms:*:*:key/*"], via),
        allow("Log", LOGS, [f"{group}:*"]),
        allow("TransformLog", TRANSFORM_LOGS, [transforms, f"{transforms}:*"]),
        allow("Metrics", ("cloudwatch:PutMetricData",), ["*"], metrics),
        allow("Alarms", ("cloudwatch:DescribeAlarms",), [scope.alarms.replace(scope.region, "*")]),
        allow("Registry", ("ecr:GetAuthorizationToken",), ["*"]),
        allow("Image", PULL, [f"arn:{scope.partition}:ecr:*:*:repository/*"]),
        *network(scope),
    )


def gateway(scope: Scope) -> Document:
    """What the gateway needs: to invoke the one endpoint."""
    return document(allow("Invoke", ("sagemaker:InvokeEndpoint",), scope.sagemaker("endpoint")))


def allow(name: str, actions: tuple[str, ...], resources: list[str], condition: Condition | None = None) -> Document:
    """One statement."""
    statement: Document = {"Sid": name, "Effect": "Allow", "Action": list(actions), "Resource": resources}
    return {**statement, "Condition": condition} if condition else statement


def document(*statements: Document) -> Document:
    """A policy document."""
    return {"Version": "2012-10-17", "Statement": list(statements)}
