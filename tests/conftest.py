"""What all tests share: test data, images made on the spot, a seed endpoint that can be told to misbehave."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seed_endpoint import SeedEndpoint

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("DETECT_TEST_SHARED") or ROOT.parent / "shared")
COCO = ROOT / "inference" / "models" / "coco"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test images that lies beside the checkout, or where DETECT_TEST_SHARED says."""
    if not SHARED.is_dir():
        pytest.skip(f"no test images at {SHARED}")
    return SHARED


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


@pytest.fixture(scope="session")
def tensorflowjs() -> None:
    """TensorFlow.js, installed for the tests."""
    if not (ROOT / "tests" / "tensorflowjs" / "node_modules").is_dir():
        pytest.skip("no TensorFlow.js in tests/tensorflowjs: scripts/test installs it where npm is")


@pytest.fixture(scope="session")
def coco_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph of the 80-class detector, as npm brings it."""
    folder = tmp_path_factory.mktemp("graph")
    ended = run_export("npm", COCO, folder)
    if ended.returncode:
        pytest.skip(f"no weights of the 80-class detector: {ended.stderr.splitlines()[-1]}")
    return Path(ended.stdout.strip())


@pytest.fixture(scope="session")
def coco_dir(tmp_path_factory: pytest.TempPathFactory, coco_graph: Path) -> Path:
    """A model directory with the 80-class detector, made as scripts/model makes it."""
    folder = tmp_path_factory.mktemp("coco")
    shutil.copy(COCO / "model.json", folder)
    exported(coco_graph, folder)
    return folder


def exported(graph: Path, model_dir: Path) -> None:
    """Export a graph of TensorFlow.js to a model directory."""
    ended = run_export("tensorflowjs", graph, "--model-dir", model_dir)
    assert ended.returncode == 0, ended.stderr


def run_export(
    program: str, *arguments: str | Path, python: str | Path = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run a program of inference/export/ to its end."""
    command = [str(python), "-m", f"inference.export.{program}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
