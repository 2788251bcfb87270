"""What a failure most likely means."""

import pytest

from deploy.diagnose import UNKNOWN, likely_cause

PING = "The primary container for production variant main did not pass the ping health check."


@pytest.mark.parametrize(
    ("reason", "log", "words"),
    [
        (PING, [], "port 8080"),
        (PING, ["MemoryError"], "out of memory"),
        (PING, ["ModuleNotFoundError: No module named 'inference'"], "layout"),
        (PING, ["the model directory holds neither *.onnx nor *.params"], "layout"),
        (PING, ["exec /usr/bin/serve: exec format error"], "arm64"),
        ("The account-level service limit 'ml.c6i.large for endpoint usage' is 0 Instances", [], "Service Quotas"),
        ("The repository 'x' does not exist in the registry", [], "image"),
        ("Could not assume role arn:aws:iam::1:role/x", [], "trust policy"),
        (
            "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error",
            [],
            "no such machine",
        ),
        ("Failed to download model data: NoSuchKey", [], "layout"),
        ("ml.eia2.medium is not available", [], "15 April 2023"),
        ("The moon is full.", [], UNKNOWN),
        ("", [], UNKNOWN),
    ],
)
def test_the_reason_and_the_log_name_the_likely_cause(reason: str, log: list[str], words: str) -> None:
    assert words in likely_cause(reason, log)
