"""Why an endpoint failed: what AWS's reason, or the end of the container's log, most likely means.

AWS's sentences and the container's lines are told apart: what is a cause in AWS's sentence is any word in a log.
"""

import re

from deploy.targets import ELASTIC_INFERENCE_ENDED

QUOTA = (
    "The account's quota for this instance type is used up or 0: ask for more in Service Quotas "
    "(Amazon SageMaker, “… for endpoint usage”), or choose another --instance-type."
)
SERVERLESS_QUOTA = (
    "The account's quota for serverless memory is smaller than --memory-mb: choose less, or ask for more in Service "
    "Quotas (Amazon SageMaker, “Memory size in MB per serverless endpoint”)."
)
CAPACITY = "AWS has no such machine free just now: try again, or choose another --instance-type or region."
TRUST = (
    "SageMaker may not act as the execution role: its trust policy has to name sagemaker.amazonaws.com "
    "(a new role takes some seconds until it counts)."
)
ARTIFACT = (
    "The execution role may not read the artifact, or it is not there: the role needs s3:GetObject on it (and "
    "kms:Decrypt where the bucket has a KMS key), and the bucket has to be in the endpoint's region. "
    "`detect-deploy plan` prints the policy."
)
IMAGE_RIGHTS = (
    "The execution role may not pull the image: it needs ecr:BatchGetImage, ecr:GetDownloadUrlForLayer and "
    "ecr:BatchCheckLayerAvailability on the repository. `detect-deploy plan` prints the policy."
)
IMAGE_MISSING = (
    "The image is not in ECR under this name and tag, not in this region, or the execution role may not read its "
    "repository. `detect-deploy image` builds and pushes it."
)
IMAGE_FORMAT = (
    "The image's manifest is OCI's, which SageMaker does not read: `detect-deploy image` builds and pushes Docker's."
)
IMAGE_SIZE = "The image is larger than serverless endpoints take (10 GB): choose a target with instances."
START = (
    "The container does not start: its image is built for another processor (arm64 for Graviton, amd64 for the rest), "
    "or `docker run IMAGE serve` does not serve."
)
PROCESSOR = "The image is built for another processor: arm64 for Graviton, amd64 for the rest (--architecture)."
MEMORY = "The container ran out of memory: choose a larger --instance-type, or more --memory-mb for serverless."
LAYOUT = (
    "The artifact does not have the layout that the container expects: weights at the root, the hooks in code/. "
    "`detect-deploy update --model-dir DIR` packs it anew."
)
PERMISSION = (
    "The container's user may not read a file or open its port: build the image with --build-arg RUN_AS=0:0 to run as "
    "root, as AWS's manual asks, and make the files readable (chmod a+rX)."
)
WORKER = (
    "The model server's worker died, most often because it ran out of memory: choose a larger --instance-type. "
    "The end of the log says what it did last."
)
TIMEOUT = (
    "The container took longer than SageMaker waits for an answer (60 s): a larger machine, a smaller input, or fewer "
    "requests at a time. The end of the log may say what it was doing."
)
ALARM = (
    "An alarm of the canary fired: the new configuration failed too often or answered too slowly. --canary-errors and "
    "--canary-latency-ms say what is healthy."
)
AGAIN = "AWS failed in itself: run the same again; if it lasts, ask AWS's support."
PING = (
    "The container never answered GET /ping with 200 on port 8080: it crashed at start, listens elsewhere, or loads "
    "longer than ten minutes (three on serverless). The end of its log says which."
)
UNKNOWN = "No known cause fits; the end of the log may say more."

# What AWS says → what it means; the first that fits.
REASONS: tuple[tuple[str, str], ...] = (
    (r"\belastic inference\b|\beia[12]\.", ELASTIC_INFERENCE_ENDED),
    (r"\bmemory size in MB per serverless endpoint\b", SERVERLESS_QUOTA),
    (r"\bservice limit\b|\bquota\b|\bResourceLimitExceeded\b", QUOTA),
    (r"insufficient ?instance ?capacity|insufficient capacity|\bunable to provision\b", CAPACITY),
    (r"\bcould not access model data\b|\bfailed to download model data\b|\bcould not find model data\b", ARTIFACT),
    (r"\bunsupported manifest media type\b|\bvnd\.oci\.image\b", IMAGE_FORMAT),
    (r"\bimage size\b.*\bgreater than\b", IMAGE_SIZE),
    (r"\becr:\w+.*\bpermission|\bdoes not have BatchGetImage permission\b", IMAGE_RIGHTS),
    (r"\bmake sure all images\b.*\bexist\b|\brequested image\b.*\bnot found\b", IMAGE_MISSING),
    (r"\brepository\b.*\b(does not exist|not found)\b|\bimage\b.*\b(not found|does not exist)\b", IMAGE_MISSING),
    (r"\bcould not assume role\b|\bto assume the role\b", TRUST),
    (r"\bCannotStartContainer|\bexec format error\b", START),
    (r"\bworker died\b", WORKER),
    (r"\binvocation timed out\b|\btimed out\b.*\bcontainer\b|\bcontainer\b.*\btimed out\b", TIMEOUT),
    (r"\balarms?\b.*\b(in ALARM|fired|triggered|breach)", ALARM),
    (r"\brequest to service failed\b|\binternal (server )?error\b", AGAIN),
)
# What the container says → what it means.
LINES: tuple[tuple[str, str], ...] = (
    (r"\bexec format error\b", PROCESSOR),
    (r"\bout of memory\b|\bOOM|\boom[- ]kill|\bMemoryError\b|\bexit code:? 137\b|\bsignal:? 9\b|\bbad_alloc\b", MEMORY),
    (r"\bPermission denied\b|\bPermissionError\b|\bEACCES\b", PERMISSION),
    (r"\bNo module named\b|\bNo such file or directory\b|\bholds neither\b|\bunexpected end of\b|\btar: ", LAYOUT),
    (r"\bworker died\b", WORKER),
)


def likely_cause(reason: str, log: list[str]) -> str:
    """The cause that fits AWS's reason, else the log, else the admission that none does.

    A failed health check is what every crash at start looks like, so the log is asked before that is believed.
    """
    for text, table in ((reason, REASONS), (reason, LINES), ("\n".join(log), LINES)):
        for pattern, cause in table:
            if re.search(pattern, text, re.IGNORECASE):
                return cause
    return PING if re.search(r"\bping\b|\bhealth check\b", reason, re.IGNORECASE) else UNKNOWN
