"""One running stack at a time: a server looks for others among all processes."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.stack import Served, Stack, artifact, serve, wait_for_an_answer
from tests.conftest import ROOT
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.inference.server_process import ServerProcess, start_server
from tests.model_dirs import BUNDLED

MXNET_PYTHON = ROOT / ".venv-mxnet" / "bin" / "python"


def stack_named(name: str) -> Stack:
    if "DETECT_TEST_STACKS" not in os.environ:
        pytest.skip("the stacks of AWS's MXNet images are made by scripts/conformance, which runs these tests")
    return Stack(name, Path(os.environ["DETECT_TEST_STACKS"]) / f"stack-{name}")


def own_stack() -> Stack:
    """The newest image's toolkit and server on this project's Python: no old interpreter needed, so always tried."""
    if "DETECT_TEST_STACKS" in os.environ:
        pytest.skip("scripts/test tries the toolkit on this project's own Python")
    if not (MXNET_PYTHON.with_name("serve").exists() and shutil.which("java") and os.access("/etc", os.W_OK)):
        pytest.skip("the toolkit's server needs .venv-mxnet, Java, and to write to /etc")
    return Stack("own", MXNET_PYTHON.parents[1])


@pytest.fixture(scope="module", params=["own", "a", "b", "c"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Our hooks and the bundled detector on each stack, one after the other."""
    stack = own_stack() if request.param == "own" else stack_named(request.param)
    base = artifact(stack, tmp_path_factory.mktemp(stack.name))
    with serve(stack, base) as running:
        wait_for_an_answer(running, good())
        yield Served(stack, base, running)


@pytest.fixture(scope="module")
def stack_c() -> Stack:
    return stack_named("c")


@pytest.fixture(scope="session")
def onnx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Our own server with the same detector."""
    with start_server(tmp_path_factory.mktemp("onnx"), "--model-dir", str(BUNDLED)) as running:
        running.wait_until_ready()
        yield running


def good() -> str:
    return request_of(encoded(drawn_image(1)), 300)


@pytest.fixture
def good_request() -> str:
    return good()
