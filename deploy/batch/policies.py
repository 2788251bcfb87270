"""The IAM document of who runs batch jobs: the actions that `detect-deploy batch` calls, on what its jobs have."""

from deploy import names
from deploy.batch.plan import Plan
from deploy.batch.source import S3
from deploy.policies import SAGEMAKER, Document, allow, document, encryption, roles, volume

MAKES = (
    "sagemaker:AddTags",
    "sagemaker:CreateModel",
    "sagemaker:CreateTransformJob",
    "sagemaker:DescribeModel",
    "sagemaker:DescribeTransformJob",
)
REMOVES = ("sagemaker:DeleteModel", "sagemaker:StopTransformJob")
LOOKS = ("sagemaker:ListTransformJobs",)
BUCKET = (
    "s3:CreateBucket",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:ListBucket",
    "s3:ListBucketVersions",
    "s3:PutBucketPublicAccessBlock",
)
FILES = ("s3:DeleteObjectVersion", "s3:GetObject", "s3:PutObject")
IMAGE = ("ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer")


def runner(plan: Plan) -> Document:
    """What `detect-deploy batch` itself calls, for the jobs beside one endpoint."""
    scope = plan.scope
    ours = {"StringEquals": {f"aws:ResourceTag/{names.BATCH_TAG}": scope.endpoint}}
    passed = {"StringEquals": {"iam:PassedToService": SAGEMAKER}}
    kinds = scope.sagemaker("model", "transform-job")
    return document(
        allow("Make", MAKES, kinds),
        allow("Remove", REMOVES, kinds, ours),
        allow("Look", LOOKS, ["*"]),
        allow("Bucket", BUCKET, scope.bucket_arns()),
        allow("Files", FILES, scope.objects()),
        *places(plan),
        *encryption(scope, "kms:Decrypt", "kms:GenerateDataKey"),
        *volume(scope),
        *roles(scope),
        allow("PassRole", ("iam:PassRole",), [scope.role_arn], passed),
        allow("Log", ("logs:FilterLogEvents",), [scope.log_group, f"{scope.log_group}:*"]),
        *([allow("Image", IMAGE, scope.repositories)] if scope.repositories else []),
    )


def places(plan: Plan) -> list[Document]:
    """The right to read INPUT and to write OUTPUT, where they are in S3."""
    found = []
    if plan.source.address.startswith(S3):
        found += place(plan, "Input", plan.source.address, "s3:GetObject")
    if plan.output.address.startswith(S3):
        found += place(plan, "Output", plan.output.address, "s3:PutObject")
    return found


def place(plan: Plan, name: str, address: str, action: str) -> list[Document]:
    """The right to list a bucket, and to do one thing under a prefix."""
    bucket = address.removeprefix(S3).split("/")[0]
    listed, under = (
        plan.scope.arn("s3", what, region=False, account=False) for what in (bucket, f"{address.removeprefix(S3)}*")
    )
    return [allow(f"{name}Bucket", ("s3:ListBucket",), [listed]), allow(name, (action,), [under])]
