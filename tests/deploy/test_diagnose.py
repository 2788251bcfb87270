"""What a failure most likely means: AWS's real sentences and containers' real lines, each with its cause."""

import pytest

from deploy import diagnose
from deploy.diagnose import UNKNOWN, likely_cause
from deploy.targets import ELASTIC_INFERENCE_ENDED

PING = (
    "The primary container for production variant main did not pass the ping health check. "
    "Please check CloudWatch logs for this endpoint."
)
REPOSITORY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/detect-endpoint:1"
AWS_SAYS = [
    (
        "Could not access model data at https://s3.amazonaws.com/b/model.tar.gz. Please ensure that the role "
        '"arn:aws:iam::1:role/x" exists and that its trust relationship policy allows the action "sts:AssumeRole" for '
        'the service principal "sagemaker.amazonaws.com". Also ensure that the role has "s3:GetObject" permissions and '
        "that the object is located in eu-west-1.",
        diagnose.ARTIFACT,
    ),
    (
        'Failed to download model data for container "container_1" from URL: "s3://b/model.tar.gz". Please ensure that '
        "there is an object located at the URL and that the role passed to CreateModel has permissions to download the "
        "model.",
        diagnose.ARTIFACT,
    ),
    ("Could not find model data at s3://b/model.tar.gz.", diagnose.ARTIFACT),
    (
        "Could not assume role arn:aws:iam::1:role/x. Please ensure that the role exists and allows principal "
        "'sagemaker.amazonaws.com' to assume the role.",
        diagnose.TRUST,
    ),
    (
        f'The role "arn:aws:iam::1:role/x" does not have BatchGetImage permission for the image: "{REPOSITORY}".',
        diagnose.IMAGE_RIGHTS,
    ),
    (
        f"The repository of your image {REPOSITORY} does not grant ecr:GetDownloadUrlForLayer, ecr:BatchGetImage, "
        "ecr:BatchCheckLayerAvailability permission to sagemaker.amazonaws.com service principal.",
        diagnose.IMAGE_RIGHTS,
    ),
    (
        "Failed to pull the image. Please make sure all images included in the model for the production variant main "
        "exist, and that the execution role used to create the model has permissions to access them.",
        diagnose.IMAGE_MISSING,
    ),
    (f"Requested image {REPOSITORY} not found.", diagnose.IMAGE_MISSING),
    ("The repository 'x' does not exist in the registry with id '123456789012'", diagnose.IMAGE_MISSING),
    (f"Image size 12607678464 is greater than supported size 10737418240 for {REPOSITORY}", diagnose.IMAGE_SIZE),
    (
        f"Unsupported manifest media type application/vnd.oci.image.index.v1+json for image {REPOSITORY}. Ensure that "
        "valid manifest media type is used for specified image.",
        diagnose.IMAGE_FORMAT,
    ),
    (
        "CannotStartContainerError. Please ensure the model container for variant main starts correctly when invoked "
        "with 'docker run <image> serve'",
        diagnose.START,
    ),
    (
        "The account-level service limit 'ml.c6i.large for endpoint usage' is 0 Instances, with current utilization of "
        "0 Instances and a request delta of 1 Instances. Please use AWS Service Quotas to request an increase.",
        diagnose.QUOTA,
    ),
    (
        "The account-level service limit 'Memory size in MB per serverless endpoint' is 3072 MBs, with current "
        "utilization of 0 MBs and a request delta of 6144 MBs. Please use AWS Service Quotas to request an increase.",
        diagnose.SERVERLESS_QUOTA,
    ),
    (
        "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error. Please retry "
        "using a different ML instance type or after some time.",
        diagnose.CAPACITY,
    ),
    ("Request to service failed. If failure persists after retry, contact customer support.", diagnose.AGAIN),
    (
        'Received server error (0) from primary with message "Your invocation timed out while waiting for a response '
        'from container primary. Review the latency metrics for each container in Amazon CloudWatch".',
        diagnose.TIMEOUT,
    ),
    (
        'Received server error (500) from primary with message "{ "code": 500, "type": "InternalServerException", '
        '"message": "Worker died." }".',
        diagnose.WORKER,
    ),
    ("Deployment rolled back: alarms [detect-gateway/x/errors] are in ALARM state.", diagnose.ALARM),
    ("ml.eia2.medium is not available", ELASTIC_INFERENCE_ENDED),
    ("Amazon Elastic Inference is no longer available.", ELASTIC_INFERENCE_ENDED),
    (PING, diagnose.PING),
    ("The moon is full.", UNKNOWN),
    ("", UNKNOWN),
]
CONTAINER_SAYS = [
    (["MemoryError"], diagnose.MEMORY),
    (["OOMKilled"], diagnose.MEMORY),
    (["terminate called after throwing an instance of 'std::bad_alloc'"], diagnose.MEMORY),
    (["ModuleNotFoundError: No module named 'inference'"], diagnose.LAYOUT),
    (["the model directory holds neither *.onnx nor *.params"], diagnose.LAYOUT),
    (["exec /usr/bin/serve: exec format error"], diagnose.PROCESSOR),
    (["PermissionError: [Errno 13] Permission denied: '/opt/ml/model/model.onnx'"], diagnose.PERMISSION),
    (["com.amazonaws.ml.mms.wlm.WorkerThread - Worker died."], diagnose.WORKER),
    (["there is no room for a second detector in the room"], diagnose.PING),
    (["no Elastic Inference accelerator is attached: running on the CPU"], diagnose.PING),
    (
        [
            "Traceback (most recent call last):",
            '  File "/opt/ml/model/code/manifest.py", line 41, in read_manifest',
            "errors.ModelNotUsable: model.json cannot be read as a JSON object",
        ],
        diagnose.PING,
    ),
    ([], diagnose.PING),
]


@pytest.mark.parametrize(("reason", "cause"), AWS_SAYS, ids=[reason[:40] for reason, _ in AWS_SAYS])
def test_awss_sentence_names_its_cause(reason: str, cause: str) -> None:
    assert likely_cause(reason, []) == cause


@pytest.mark.parametrize(
    ("log", "cause"), CONTAINER_SAYS, ids=[(log or ["nothing"])[-1][:40] for log, _ in CONTAINER_SAYS]
)
def test_the_log_says_why_a_health_check_failed(log: list[str], cause: str) -> None:
    assert likely_cause(PING, log) == cause


def test_what_aws_says_counts_more_than_what_the_container_says() -> None:
    assert likely_cause(AWS_SAYS[0][0], ["MemoryError"]) == diagnose.ARTIFACT


def test_a_container_that_may_not_read_is_told_how_to() -> None:
    assert "RUN_AS" in diagnose.PERMISSION
    assert "three on serverless" in diagnose.PING
