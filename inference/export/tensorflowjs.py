"""A TensorFlow.js graph model of an SSD → model.onnx in the model directory whose model.json describes it.

    python -m inference.export.tensorflowjs GRAPH/model.json --model-dir DIR

Beside what every model.json says, `classes` names the network's class of each label; without it they are 1, 2, 3 and
so on, since 0 is the background. Needs numpy and onnx, with --calibration onnxruntime and Pillow too.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from errors import ModelNotUsable
from inference.export.graph import Array, ConversionError, Node
from inference.export.tensorflow_ssd import convert
from manifest import Manifest, read_manifest

DTYPES = {"float32": "<f4", "int32": "<i4"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the command line says."""
    options = parser().parse_args(arguments)
    try:
        manifest = read_manifest(str(options.model_dir))
        write(options.graph, options.model_dir, manifest)
        write_int8(options.model_dir, options.calibration, manifest.input_size)
    except (ConversionError, ModelNotUsable, OSError) as exc:
        sys.stderr.write(f"tensorflowjs: {exc}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = described.add_argument
    add("graph", type=Path, help="the graph's model.json, with its shards in the same folder")
    add("--model-dir", type=Path, required=True, help="model directory with a model.json")
    add("--calibration", type=Path, metavar="FOLDER", help="typical images; also write model.int8.onnx")
    return described


def write(graph: Path, model_dir: Path, manifest: Manifest) -> None:
    """Write model.onnx, all of it or nothing."""
    nodes, params = read_graph(graph)
    network = convert(nodes, params, classes(model_dir, manifest), manifest.input_size, manifest.mean, manifest.std)
    part = model_dir / f"model.onnx.{os.getpid()}"
    onnx.save(network, part)
    part.replace(model_dir / "model.onnx")


def write_int8(model_dir: Path, images: Path | None, size: int) -> None:
    """Write model.int8.onnx where images are given; one of other weights would be served, and is removed."""
    target = model_dir / "model.int8.onnx"
    target.unlink(missing_ok=True)
    if images:
        from inference.export.images import images_in  # these need more than the rest
        from inference.export.quantize import quantize

        quantize(model_dir / "model.onnx", target, images_in(images), size)


def classes(model_dir: Path, manifest: Manifest) -> list[int]:
    """Return the network's class of each label."""
    said = json.loads((model_dir / "model.json").read_text(encoding="utf-8"))
    found: list[int] = said.get("classes", list(range(1, len(manifest.labels) + 1)))
    if len(found) != len(manifest.labels):
        raise ModelNotUsable(f"model.json names {len(manifest.labels)} labels and {len(found)} classes")
    return found


def read_graph(path: Path) -> tuple[dict[str, Node], dict[str, Array]]:
    """Read a graph's nodes by name, and the values of its constants. Raises ConversionError or OSError."""
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
        nodes = {node["name"]: node for node in graph["modelTopology"]["node"]}
        return nodes, dict(weights(path.parent, graph["weightsManifest"]))
    except (ValueError, KeyError, TypeError) as exc:
        raise ConversionError(f"{path} is no graph model of TensorFlow.js in float32") from exc


def weights(folder: Path, groups: list[dict[str, Any]]) -> Iterator[tuple[str, Array]]:
    """Yield the name and the values of each constant; a group's shards are one run of bytes."""
    for group in groups:
        shards, at = b"".join((folder / name).read_bytes() for name in group["paths"]), 0
        for each in group["weights"]:
            values = np.frombuffer(shards, DTYPES[each["dtype"]], math.prod(each["shape"]), at)
            at += values.nbytes
            yield each["name"], values.reshape(each["shape"])


if __name__ == "__main__":
    sys.exit(main())
