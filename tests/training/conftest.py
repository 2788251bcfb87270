"""A detector that is trained once, on drawn figures, for all tests. Without PyTorch none of them is collected."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from inference import HOOKS
from tests.conftest import ROOT
from tests.training import drawn

TRAINING = ROOT / "inference" / "training"
sys.path.insert(0, str(TRAINING))  # it is flat, and so are the hooks

collect_ignore_glob = [] if importlib.util.find_spec("torch") else ["test_*.py"]  # scripts/training-test has it
IMAGES, SIZE = 5400, 96


class Trained(NamedTuple):
    """A finished run: its folder, the sets, the rows of its log, and the images seen when it was stopped."""

    run: Path
    train: Path
    test: Path
    log: list[dict[str, Any]]
    stopped_at: int


def program(name: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Start one of the training's programs."""
    command = [sys.executable, str(TRAINING / f"{name}.py"), *map(str, arguments)]
    paths = {"PYTHONPATH": f"{ROOT}:{HOOKS}"}  # as scripts/train has it
    environment = {**os.environ, **paths, "OMP_NUM_THREADS": "1"}  # the other core makes batches
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )


def finished(process: subprocess.Popen[str]) -> str:
    """Wait for a program that must succeed; what it printed."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


def rows(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture(scope="session")
def sets(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One set to train on, out of COCO's format, and one to measure with, out of a shard."""
    import prepare

    folder = tmp_path_factory.mktemp("sets")
    common = ["--classes", "figure", "--side", "120"]
    labels = drawn.coco(folder / "coco", range(120))
    images = ["--images", str(labels.parent / "images")]
    prepare.main(["coco", "--labels", str(labels), *images, "--out", str(folder / "train"), *common])
    labels = drawn.shards(folder / "shards", range(1000, 1030))
    images = ["--images", str(labels.parent / "images-*.tar")]
    prepare.main(["shards", "--labels", str(labels), *images, "--out", str(folder / "test"), *common])
    return folder / "train", folder / "test"


@pytest.fixture(scope="session")
def trained(sets: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A detector of drawn figures: 450 steps, stopped by a signal on the way and resumed."""
    run = tmp_path_factory.mktemp("run")
    what = ["--data", sets[0], "--test", sets[1], "--out", run, "--images", IMAGES]
    how = ["--batch", 12, "--rate", 5e-3, "--size", SIZE, "--first-size", SIZE, "--threads", 1, "--workers", 1]
    first = program("train", *what, *how, "--save-every", 0.02)
    while len(rows(run / "log.jsonl")) < 2:
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGTERM)
    finished(first)
    stopped_at = rows(run / "log.jsonl")[-1]["images"]
    finished(program("train", *what, *how, "--save-every", 1, "--resume"))
    return Trained(run, *sets, rows(run / "log.jsonl"), stopped_at)
