"""A gateway in front of the seed endpoint."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from tests.api.gateway import gateway
from tests.seed_endpoint import SeedEndpoint

Start = Callable[..., httpx2.Client]


def send_boto3_to(endpoint: SeedEndpoint, environment: pytest.MonkeyPatch) -> None:
    """What boto3 is asked for from now on goes, signed, to the seed endpoint."""
    for name, value in {
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
    }.items():
        environment.setenv(name, value)


@pytest.fixture
def start(seed_endpoint: SeedEndpoint, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Starts gateways that ask the seed endpoint over signed boto3, as they would ask SageMaker."""
    send_boto3_to(seed_endpoint, monkeypatch)
    with ExitStack() as stack:

        def start(**options: Any) -> httpx2.Client:
            return stack.enter_context(gateway(**{"endpoint_name": "seed", **options}))

        yield start


@pytest.fixture
def client(start: Start) -> httpx2.Client:
    """A client of a gateway with default settings in front of the seed endpoint."""
    return start()
