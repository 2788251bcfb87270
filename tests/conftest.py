"""What all tests share: test data, images made on the spot, a seed endpoint that can be told to misbehave."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seed_endpoint import SeedEndpoint

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test images that lies beside the checkout, or where DETECT_TEST_SHARED says."""
    folder = Path(os.environ.get("DETECT_TEST_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no test images at {folder}")
    return folder


@pytest.fixture(scope="session")
def mxnet_python() -> Path:
    """The interpreter of the environment that holds MXNet and GluonCV."""
    python = ROOT / ".venv-mxnet" / "bin" / "python"
    if not python.exists():
        pytest.skip("MXNet needs Python 3.11: no .venv-mxnet in this checkout")
    return python


@pytest.fixture
def seed_endpoint() -> Iterator[SeedEndpoint]:
    """A SageMaker endpoint on loopback that keeps the seed's wire contract until told otherwise."""
    with SeedEndpoint() as endpoint:
        yield endpoint
