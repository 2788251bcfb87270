"""The deployment that the tests are about: its image, bucket and role, and the calls that change it."""

from deploy.policies import Scope
from tests.deploy.cloud import ACCOUNT, REGION

NAME = "detect-gateway"
IMAGE = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/detect-endpoint:1"
BUCKET = f"sagemaker-{REGION}-{ACCOUNT}"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/detect-gateway-{REGION}-{NAME}"
SCOPE = Scope("aws", REGION, ACCOUNT, NAME, ROLE, buckets=(BUCKET,), images=(IMAGE,))
UP_WRITES = [
    "CreateBucket",
    "PutPublicAccessBlock",
    "CreatePolicy",
    "CreateRole",
    "PutRolePolicy",
    "CreateLogGroup",
    "PutRetentionPolicy",
    "PutObject",
    "CreateModel",
    "CreateEndpointConfig",
    "CreateEndpoint",
]
UPDATE_WRITES = [
    "PutObject",
    "CreateModel",
    "CreateEndpointConfig",
    "AddTags",
    "UpdateEndpoint",
    "DeleteEndpointConfig",
    "DeleteModel",
    "DeleteObject",
]
DOWN_WRITES = [
    "DeregisterScalableTarget",
    "DeleteEndpoint",
    "DeleteEndpointConfig",
    "DeleteModel",
    "DeleteObject",
    "DeleteLogGroup",
]
