"""Model directories that differ from the bundled detector's in ways that a test can see."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy

from tests.conftest import ROOT

BUNDLED = ROOT / "inference" / "models" / "person"


def variant(folder: Path, box_scale: float = 1.0, **about: Any) -> Path:
    """A copy of the bundled detector whose boxes are as many times as large, and whose `model.json` says this too."""
    import onnx  # not where the training is tested
    from onnx import numpy_helper

    folder.mkdir(parents=True)
    said = json.loads((BUNDLED / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**said, **about}))
    network = onnx.load(BUNDLED / "model.onnx")
    for constant in network.graph.initializer:
        if constant.name == "std_size":
            spread = numpy_helper.to_array(constant)
            constant.CopyFrom(numpy_helper.from_array(numpy.asarray(spread * box_scale, spread.dtype), constant.name))
    onnx.save(network, folder / "model.onnx")
    return folder


def broken(folder: Path) -> Path:
    """A model directory whose weights are none."""
    folder.mkdir(parents=True)
    shutil.copy(BUNDLED / "model.json", folder)
    (folder / "model.onnx").write_bytes(b"not a model")
    return folder


def replace(old: Path, new: Path) -> None:
    """Put another model directory in the place of one, as an operator should: by moving."""
    old.rename(old.with_name(f"{old.name}.old"))
    new.rename(old)
