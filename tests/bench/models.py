"""The network of the benchmarks: ssd_512_mobilenet1.0_custom with random weights, for every engine.

Time does not depend on the weights, but for the candidates that reach non-maximum suppression: here all 400.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.conftest import ROOT
from tests.inference.example_requests import drawn_image, encoded

NETWORK, SIZE = "ssd_512_mobilenet1.0_custom", 512
CALIBRATION = 16  # drawn images, which is enough where nobody looks at what is found
MXNET_PYTHON = ROOT / ".venv-mxnet" / "bin" / "python"
RANDOM_WEIGHTS = ROOT / "tests" / "inference" / "random_weights.py"
FILES = {
    "mxnet": ("model-symbol.json", "model-0000.params"),
    "fp32": ("model.onnx",),
    "int8": ("model.int8.onnx",),
}


def model_dirs() -> dict[str, Path]:
    """The folders to serve from, made once: `mxnet`, `fp32` and `int8`, with the same weights."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    home = cache / "detect-gateway" / f"bench-{makers()}"
    if not (home / "parity.md").exists():
        shutil.rmtree(home, ignore_errors=True)
        make(home)
    return {engine: home / engine for engine in FILES}


def makers() -> str:
    """A digest of the code that makes the models, so that those of older code are not measured."""
    files = sorted((ROOT / "inference" / "export").glob("*.py"))
    return hashlib.sha1(b"".join(file.read_bytes() for file in [*files, RANDOM_WEIGHTS])).hexdigest()[:8]


def make(home: Path) -> None:
    """Export the network for every engine."""
    images, whole = home / "images", home / "whole"
    images.mkdir(parents=True)
    for seed in range(CALIBRATION):
        (images / f"{seed}.png").write_bytes(encoded(drawn_image(seed, SIZE, SIZE)))
    mxnet(RANDOM_WEIGHTS, NETWORK, home / "random.params", "person")
    weights = (NETWORK, "--params", home / "random.params")
    report = mxnet("-m", "inference.export", *weights, "--out", whole, "--calibration", images)
    for engine, files in FILES.items():
        (home / engine).mkdir()
        for file in ("model.json", *files):
            shutil.copy(whole / file, home / engine)
    (home / "parity.md").write_text(report)


def mxnet(*arguments: str | Path) -> str:
    """Run a script, or with -m a module, where MXNet is, and return what it prints."""
    command = [MXNET_PYTHON, "-W", "ignore", *arguments]
    return subprocess.run(
        command, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ).stdout
