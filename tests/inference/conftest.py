"""Servers on the bundled detector, one per engine for all tests."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.inference.running import (
    BUNDLED,
    INFERENCE,
    Running,
    drawn_picture,
    encoded,
    request_of,
    start_server,
)

settings.register_profile("unhurried", deadline=None)  # on a busy machine any example may take long
settings.load_profile("unhurried")
sys.path.insert(0, str(INFERENCE))  # the hooks import one another flat, as in the container


@pytest.fixture(scope="session")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
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
def mxnet_endpoint(tmp_path_factory: pytest.TempPathFactory, gluon_dir: Path, mxnet_python: Path) -> Iterator[Running]:
    """Our server with the same weights on the MXNet engine."""
    folder = tmp_path_factory.mktemp("mxnet")
    with start_server(folder, "--model-dir", str(gluon_dir), python=mxnet_python) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def server(tmp_path: Path) -> Callable[..., Any]:
    """Start a server of one's own: `with server(*options) as running`."""

    def start(*options: str) -> Any:
        return start_server(tmp_path, *options)

    return start


@pytest.fixture
def good_request() -> str:
    return request_of(encoded(drawn_picture(1)), 300)
