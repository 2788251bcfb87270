"""Why an endpoint failed: AWS's reason and the end of the container's log, and what that most likely means."""

import re

from deploy.targets import ELASTIC_INFERENCE_ENDED

# What the reason or the log says → the likely cause and the way out; the first that fits.
CAUSES: tuple[tuple[str, str], ...] = (
    (r"elastic inference|eia[12]\.|accelerator", ELASTIC_INFERENCE_ENDED),
    (
        r"service limit|quota|ResourceLimitExceeded",
        "The account's quota for this instance type is used up or 0: ask for more in Service Quotas "
        "(Amazon SageMaker, “… for endpoint usage”), or choose another --instance-type.",
    ),
    (
        r"insufficient ?(instance)? ?capacity|unable to provision",
        "AWS has no such machine free just now: try again, or choose another --instance-type or region.",
    ),
    (
        r"assume role|AssumeRole",
        "SageMaker may not act as the execution role: its trust policy has to name sagemaker.amazonaws.com "
        "(a new role takes some seconds until it counts).",
    ),
    (
        r"pull|manifest|repository|image .*(not found|does not exist)|exec format error|CannotStartContainer",
        "The image cannot be pulled or started: look at its name, its region, its processor (arm64 for Graviton, "
        "amd64 for the rest) and the execution role's right to read the repository.",
    ),
    (
        r"out of memory|OutOfMemory|oom|MemoryError|exit code:? 137|signal:? 9|std::bad_alloc",
        "The container ran out of memory: choose a larger --instance-type, or more --memory-mb for serverless.",
    ),
    (
        r"model data|NoSuchKey|\btar\b|unexpected end of|No module named|inference\.py|no such file|holds neither",
        "The artifact does not have the layout that the container expects: weights at the root, the hooks in code/. "
        "`detect-deploy update --model-dir DIR` packs it anew.",
    ),
    (
        r"ping|health check",
        "The container never answered GET /ping with 200 on port 8080: it crashed at start, listens elsewhere, or "
        "loads longer than ten minutes. The end of its log says which.",
    ),
)
UNKNOWN = "No known cause fits; the end of the log may say more."


def likely_cause(reason: str, log: list[str]) -> str:
    """The cause that fits AWS's reason, else the log, else the admission that none does.

    A failed health check is what every crash at start looks like, so the log is asked before that row is believed.
    """
    *specific, (ping, ping_cause) = CAUSES
    for text in (reason, "\n".join(log)):
        for pattern, cause in specific:
            if re.search(pattern, text, re.IGNORECASE):
                return cause
    return ping_cause if re.search(ping, reason, re.IGNORECASE) else UNKNOWN
