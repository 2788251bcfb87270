"""AWS on loopback, an account in it, and the command line: in this process, or as one of its own."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader
from moto.cloudwatch import models as cloudwatch
from typer.testing import CliRunner

from deploy.cli import app
from tests.deploy.cloud import Cloud
from tests.deploy.moto_side import Percentiles

FAST = ("--poll-seconds", "0.02", "--timeout-minutes", "0.5")
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/detect-endpoint:1"


@pytest.fixture(scope="session")
def aws() -> Iterator[Cloud]:
    """The server, for all tests."""
    patch = pytest.MonkeyPatch()
    patch.setattr(cloudwatch, "Statistics", Percentiles)
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


@dataclass
class Answer:
    """What a command ended with."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its JSON document."""
        return json.loads(self.out)


class Deploy:
    """detect-deploy, in this process."""

    def __call__(self, *arguments: str | Path) -> Answer:
        command, *options = map(str, arguments)
        line = [command, *FAST, *options]
        result = CliRunner().invoke(app, line, catch_exceptions=False, env={"COLUMNS": "200"})
        return Answer(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def deploy(cloud: Cloud) -> Deploy:
    """The command line against the stand-in."""
    return Deploy()


def process(*arguments: str | Path) -> subprocess.Popen[str]:
    """detect-deploy as a process of its own."""
    command, *options = map(str, arguments)
    line = [sys.executable, "-m", "deploy", command, *FAST, *options]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def ended(started: subprocess.Popen[str]) -> Answer:
    """What a process ended with."""
    out, err = started.communicate(timeout=120)
    return Answer(started.returncode, out, err)


@pytest.fixture
def hooks(tmp_path: Path) -> Path:
    """A folder of hooks; light containers never import them."""
    folder = tmp_path / "hooks"
    folder.mkdir()
    (folder / "inference.py").write_text("import codec\n")
    (folder / "codec.py").write_text("import json\n")
    (folder / "server.py").write_text("import inference\n")
    return folder


class Weights:
    """Makes model folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def __call__(self, name: str = "model", **about: Any) -> Path:
        """A folder with weights for every engine; `about` goes to model.json, which light containers obey."""
        folder = self.root / name
        folder.mkdir()
        for file in ("model.onnx", "model.params", "model-symbol.json"):
            (folder / file).write_bytes(f"{name} {file}".encode() * 100)
        (folder / "model.json").write_text(json.dumps({"input_size": 64, **about}))
        return folder


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
