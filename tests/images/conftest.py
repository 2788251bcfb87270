"""The images that scripts/images has built, running: two that talk over loopback, and one that needs no other."""

import json
import os
from collections.abc import Iterator

import pytest

from tests.images.containers import BUNDLED, ENDPOINT, GATEWAY, LOCAL, TOOLS, Images, Run, free_port


@pytest.fixture(scope="session")
def images() -> Images:
    """The tool that holds the images; scripts/images says which."""
    if not (tool := os.environ.get("DETECT_TEST_IMAGES")):
        pytest.skip("scripts/images builds the images and runs these tests")
    return Images(TOOLS[tool])


@pytest.fixture
def endpoint_url(images: Images) -> Iterator[str]:
    """Where the endpoint image answers, ready with its bundled model."""
    with images.answering(Run(ENDPOINT, {"SAGEMAKER_BIND_TO_PORT": str(free_port())}), "serve") as (_, url):
        yield url


@pytest.fixture
def gateway_run(endpoint_url: str) -> Run:
    """The gateway image on a free port, told to ask the endpoint image in SageMaker's place."""
    environment = {
        "DETECT_PORT": str(free_port()),
        "DETECT_ENDPOINT_NAME": "person",
        "DETECT_NO_AUTH": "true",
        "DETECT_INPUT_SIZE": str(json.loads((BUNDLED / "model.json").read_bytes())["input_size"]),
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint_url,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
    }
    return Run(GATEWAY, environment)


@pytest.fixture
def gateway_url(images: Images, gateway_run: Run) -> Iterator[str]:
    """Where the gateway image answers."""
    with images.answering(gateway_run) as (_, url):
        yield url


@pytest.fixture
def local_run() -> Run:
    """The image that `docker build` makes by itself, on a free port."""
    return Run(LOCAL, {"DETECT_PORT": str(free_port())})


@pytest.fixture
def local_url(images: Images, local_run: Run) -> Iterator[str]:
    """Where that image answers, ready with its model."""
    with images.answering(local_run) as (_, url):
        yield url
