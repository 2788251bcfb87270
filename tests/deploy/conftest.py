"""AWS on loopback, an account in it, and an operator."""

import logging
import os
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from botocore.loaders import JSONFileLoader
from moto.cloudwatch import models as cloudwatch

from tests.deploy import autoscaling
from tests.deploy.cloud import Cloud
from tests.deploy.commands import Deploy, Weights
from tests.deploy.deployment import IMAGE
from tests.deploy.moto_side import Percentiles


@pytest.fixture(scope="session")
def aws() -> Iterator[Cloud]:
    """The server, for all tests."""
    patch = pytest.MonkeyPatch()
    patch.setattr(cloudwatch, "Statistics", Percentiles)
    autoscaling.install(patch)
    load = cache(JSONFileLoader().load_file)  # a quarter of the tests' time went into reading the same files again
    patch.setattr(JSONFileLoader, "load_file", lambda _, path: load(path))
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    cloud = Cloud()
    yield cloud
    cloud.close()
    patch.undo()


@pytest.fixture
def cloud(aws: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """An empty account, which boto3 finds by itself; whatever the test did, it kept SageMaker's rules."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    yield aws
    sins = aws.plane.sins
    aws.reset()
    assert sins == []


@pytest.fixture
def deploy(cloud: Cloud) -> Deploy:
    """The command line against the stand-in."""
    return Deploy()


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """A folder of hooks; light containers never import them."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    (folder / "inference.py").write_text("import codec\n")
    (folder / "codec.py").write_text("import json\n")
    (folder / "README.md").write_text("What runs where.\n")
    return folder


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A docker that pushes to the stand-in's registry, and the file in which it says what it was told."""
    folder, state = tmp_path / "bin", tmp_path / "docker.json"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "docker", folder)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_STATE", str(state))
    return state


@pytest.fixture
def weights(tmp_path: Path) -> Weights:
    """Model folders of light containers."""
    return Weights(tmp_path)


@pytest.fixture
def wanted(weights: Weights, hooks: Path) -> list[str]:
    """The options of an ordinary `plan`."""
    return ["--image", IMAGE, "--model-dir", str(weights()), "--code-dir", str(hooks)]


@pytest.fixture
def order(wanted: list[str]) -> list[str]:
    """The options of an ordinary `up`, confirmed and with a short smoke test."""
    return ["--yes", "--requests", "1", *wanted]
