"""What IAM checks for a call, by the Service Authorization Reference."""

import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.deploy import moto_side
from tests.deploy.access import Access
from tests.deploy.plane import Plane

AUTOSCALING_ROLE = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"


@dataclass
class Checks:
    """What AWS checks for each call, by the Service Authorization Reference; state tells tags and boundaries."""

    account: str
    region: str
    plane: Plane

    def of(self, service: str, operation: str, body: bytes, path: str, query: str) -> list[Access]:
        """The checks for a call."""
        service = {"monitoring": "cloudwatch"}.get(service, service)
        if service == "s3":
            return self.s3(operation, path, query, body)
        if service in ("iam", "sts"):
            return self.iam(operation, {key: values[0] for key, values in parse_qs(body.decode()).items()})
        if operation == "InvokeEndpoint":
            return [self.on("sagemaker", operation, f"endpoint/{path.split('/')[2].lower()}")]
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return []
        return getattr(self, service.replace("-", "_"), self.unlimited)(operation, request)

    def on(self, service: str, action: str, resource: str, **context: str) -> Access:
        """A check on a resource of this account and region."""
        return Access(f"{service}:{action}", f"arn:aws:{service}:{self.region}:{self.account}:{resource}", context)

    def unlimited(self, operation: str, request: dict[str, Any], service: str = "pricing") -> list[Access]:
        """A check on no resource."""
        return [Access(f"{service}:{operation}")]

    def sagemaker(self, operation: str, request: dict[str, Any]) -> list[Access]:
        """SageMaker's: the named thing with its tags, the tags and the role that come with it."""
        if operation.startswith("List") and operation != "ListTags":
            return [Access(f"sagemaker:{operation}")]
        if "ResourceArn" in request:
            return [Access(f"sagemaker:{operation}", request["ResourceArn"], self.tags(request["ResourceArn"]))]
        names = [("model", "ModelName"), ("endpoint-config", "EndpointConfigName"), ("endpoint", "EndpointName")]
        if "TransformJobName" in request:
            names = [("transform-job", "TransformJobName")]
        found = []
        for kind, key in names:
            if key in request:
                access = self.on("sagemaker", operation, f"{kind}/{request[key].lower()}")
                found.append(Access(access.action, access.resource, self.tags(access.resource)))
        if request.get("Tags"):
            found.append(Access("sagemaker:AddTags", found[-1].resource))
        if role := request.get("ExecutionRoleArn"):
            found.append(Access("iam:PassRole", role, {"iam:PassedToService": "sagemaker.amazonaws.com"}))
        return found

    def tags(self, arn: str) -> dict[str, str]:
        """The tags of a SageMaker resource, as conditions see them."""
        item = next((item for item in self.plane.items.values() if item.arn == arn), None)
        return {f"aws:ResourceTag/{key}": value for key, value in (item.tags if item else {}).items()}

    def s3(self, operation: str, path: str, query: str, body: bytes) -> list[Access]:
        """S3's, whose permissions have other names than its operations."""
        bucket, _, key = path.strip("/").partition("/")
        if operation == "DeleteObjects":
            keys = re.findall(r"<Key>([^<]*)</Key>", body.decode())
            return [Access("s3:DeleteObjectVersion", f"arn:aws:s3:::{bucket}/{unquote(key)}") for key in keys]
        if operation == "DeleteObject" and "versionId=" in query:
            operation = "DeleteObjectVersion"
        about = f"{bucket}/{key}" if "Object" in operation and operation[:4] != "List" else bucket
        return [Access(f"s3:{S3_PERMISSIONS.get(operation, operation)}", f"arn:aws:s3:::{about}")]

    def iam(self, operation: str, request: dict[str, str]) -> list[Access]:
        """IAM's: a role with its boundary, or a policy."""
        if operation == "GetCallerIdentity":
            return []
        if "PolicyArn" in request:
            return [Access(f"iam:{operation}", request["PolicyArn"])]
        if operation == "CreatePolicy":
            return [Access("iam:CreatePolicy", f"arn:aws:iam::{self.account}:policy/{request['PolicyName']}")]
        name = request.get("RoleName", "")
        arn = f"arn:aws:iam::{self.account}:role/{name}"
        boundary = request.get("PermissionsBoundary") or moto_side.boundary(self.account, name)
        context = {"iam:PermissionsBoundary": boundary} if boundary else {}
        tagged = [Access("iam:TagRole", arn)] if "Tags.member.1.Key" in request else []
        return [Access(f"iam:{operation}", arn, context), *tagged]

    def logs(self, operation: str, request: dict[str, Any]) -> list[Access]:
        """CloudWatch Logs'."""
        if operation == "DescribeLogGroups":
            return [Access("logs:DescribeLogGroups")]
        arn = request.get("resourceArn") or self.on("logs", "", f"log-group:{request['logGroupName']}").resource
        tagged = [Access("logs:TagResource", arn)] if operation == "CreateLogGroup" and request.get("tags") else []
        return [Access(f"logs:{operation}", arn), *tagged]

    def application_autoscaling(self, operation: str, request: dict[str, Any]) -> list[Access]:
        """Application Auto Scaling's, which acts in the caller's name: alarms, the endpoint, its own role."""
        context = {"application-autoscaling:service-namespace": request["ServiceNamespace"]}
        if operation.startswith("Describe"):
            return [Access(f"application-autoscaling:{operation}")]
        alarm = self.on("cloudwatch", "", f"alarm:TargetTracking-{request['ResourceId']}-AlarmHigh-1").resource
        endpoint = self.on("sagemaker", "", request["ResourceId"].split("/variant")[0].lower()).resource
        service = "sagemaker.application-autoscaling.amazonaws.com"
        linked = f"arn:aws:iam::{self.account}:role/aws-service-role/{service}/{AUTOSCALING_ROLE}"
        implied = {
            "RegisterScalableTarget": [
                Access("iam:CreateServiceLinkedRole", linked, {"iam:AWSServiceName": service}),
                Access("sagemaker:DescribeEndpoint", endpoint),
                Access("sagemaker:UpdateEndpointWeightsAndCapacities", endpoint),
            ],
            "PutScalingPolicy": [
                self.on("cloudwatch", "DescribeAlarms", "alarm:*"),
                Access("cloudwatch:PutMetricAlarm", alarm),
            ],
            "DeregisterScalableTarget": [Access("cloudwatch:DeleteAlarms", alarm)],
        }
        scalable = self.on("application-autoscaling", operation, "scalable-target/0a1b2c").resource
        return [Access(f"application-autoscaling:{operation}", scalable, context), *implied[operation]]

    def cloudwatch(self, operation: str, request: dict[str, Any]) -> list[Access]:
        """CloudWatch's: metrics, and alarms by name."""
        names = request.get("AlarmNames") or [request["AlarmName"]] if "Alarm" in operation else []
        if operation == "DescribeAlarms":
            return [self.on("cloudwatch", operation, "alarm:*")]
        if not names:
            return [Access(f"cloudwatch:{operation}")]
        tagged = ["TagResource"] if request.get("Tags") else []
        return [self.on("cloudwatch", action, f"alarm:{name}") for action in (operation, *tagged) for name in names]

    def ecr(self, operation: str, request: dict[str, Any]) -> list[Access]:
        """ECR's."""
        if "repositoryName" not in request:
            return [Access(f"ecr:{operation}")]
        return [self.on("ecr", operation, f"repository/{request['repositoryName']}")]


S3_PERMISSIONS = {
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectVersions": "ListBucketVersions",
    "HeadObject": "GetObject",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketEncryption": "GetEncryptionConfiguration",
}


def denial(access: Access) -> str:
    """AWS's sentence."""
    return f"User: deployer is not authorized to perform: {access.action} on resource: {access.resource}"
