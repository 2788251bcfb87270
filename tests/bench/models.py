"""The network of the benchmarks: ssd_512_mobilenet1.0_custom with random weights, for every engine.

Time does not depend on the weights, but for the candidates that reach non-maximum suppression: here all 400.
"""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from tests.inference.running import INFERENCE, MXNET_PYTHON, drawn_picture, encoded

NETWORK, SIZE = "ssd_512_mobilenet1.0_custom", 512
CALIBRATION = 16  # drawn images, which is enough where nobody looks at what is found
RANDOM_WEIGHTS = Path(__file__).parents[1] / "inference" / "random_weights.py"
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
    files = [INFERENCE / f"{name}.py" for name in ("convert", "export", "onnx_graph", "quantize")]
    return hashlib.sha1(b"".join(file.read_bytes() for file in [*files, RANDOM_WEIGHTS])).hexdigest()[:8]


def make(home: Path) -> None:
    """Export the network for every engine."""
    images, whole = home / "images", home / "whole"
    images.mkdir(parents=True)
    for seed in range(CALIBRATION):
        (images / f"{seed}.png").write_bytes(encoded(drawn_picture(seed, SIZE, SIZE)))
    mxnet(RANDOM_WEIGHTS, NETWORK, home / "random.params", "person")
    report = mxnet(
        INFERENCE / "export.py", NETWORK, "--params", home / "random.params", "--out", whole, "--calibration", images
    )
    for engine, files in FILES.items():
        (home / engine).mkdir()
        for file in ("model.json", *files):
            shutil.copy(whole / file, home / engine)
    (home / "parity.md").write_text(report)


def mxnet(script: Path, *arguments: str | Path) -> str:
    """Run a script where MXNet is, and return what it prints."""
    command = [MXNET_PYTHON, "-W", "ignore", script, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
