"""Servers on the bundled detector, one per engine for all tests."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from inference import HOOKS
from inference.server.hooks import FlatModules
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.inference.server_process import Server, ServerProcess, start_server
from tests.model_dirs import BUNDLED

settings.register_profile("unhurried", deadline=None)  # on a busy machine any example may take long
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Our server with the bundled detector on the ONNX engine."""
    with start_server(tmp_path_factory.mktemp("onnx"), "--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def gluon_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory with the bundled detector as GluonCV parameters alone."""
    folder = tmp_path_factory.mktemp("gluon")
    for file in (*BUNDLED.glob("*.params"), BUNDLED / "model.json"):
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="session")
def mxnet_endpoint(
    tmp_path_factory: pytest.TempPathFactory, gluon_dir: Path, mxnet_python: Path
) -> Iterator[ServerProcess]:
    """Our server with the same weights on the MXNet engine."""
    folder = tmp_path_factory.mktemp("mxnet")
    with start_server(folder, "--model-dir", str(gluon_dir), python=mxnet_python) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """Start a server of one's own: `with server(*options) as running`."""

    def start(*options: str) -> Any:
        return start_server(tmp_path, *options)

    return start


@pytest.fixture(scope="session")
def hooks() -> Any:
    """The four hooks."""
    return FlatModules(HOOKS).load("inference")


@pytest.fixture
def good_request() -> str:
    return request_of(encoded(drawn_image(1)), 300)
