"""Writes a checkpoint as the `.params` that GluonCV's `load_parameters` takes, and reads such a file. Needs no MXNet.

scripts/train gluon_params RUN/last.pt person.params

The names are those that `save_parameters` gives to the networks of the zoo, the anchors among them; the layout is
MXNet 1.x's list of arrays, little-endian: a magic number, the arrays, their names.
"""

from __future__ import annotations

import argparse
import io
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from anchors import SHAPES, grid, sides
from learner import trained_network
from networks import SSD
from training_errors import NotWeights, run

Arrays = Mapping[str, NDArray[np.float32]]
LIST_MAGIC, ARRAY_MAGIC, DENSE = 0x112, 0xF993FAC9, 0
CPU, FLOAT32 = (1, 0), 0
NORM = {"gamma": "weight", "beta": "bias"}  # GluonCV's names, PyTorch's
GRIDS = (128, 64, 32, 16, 16, 16)  # cells along a side of the anchors that GluonCV keeps, to be cut to the map


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert as the command line says."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("checkpoint", type=Path)
    described.add_argument("params", type=Path, help="file to write")
    options = described.parse_args(arguments)
    net, _ = trained_network(options.checkpoint)
    options.params.write_bytes(packed(gluon_arrays(net)))
    return 0


def gluon_arrays(net: SSD) -> Arrays:
    """Return a network's weights, and its anchors, by the names that GluonCV's network gives them."""
    state = {name: values.detach().cpu().numpy() for name, values in net.state_dict().items()}
    arrays = {theirs: state[ours] for theirs, ours in names(net)}
    for level, (side, cells) in enumerate(zip(sides(net.size), GRIDS, strict=True)):
        pixels = grid(level, side, cells) * np.float32(net.size)
        arrays[f"anchor_generators.{level}.anchors"] = pixels.reshape(1, 1, cells, cells, -1)
    return arrays


def names(net: SSD) -> Iterator[tuple[str, str]]:
    """Yield GluonCV's name and ours for each array of weights."""
    for number in range(len(net.base)):
        prefix, ours = "features.mobilenet0_", f"base.{number}"
        yield f"{prefix}conv{number}_weight", f"{ours}.0.weight"
        yield from norm(f"{prefix}batchnorm{number}_", f"{ours}.1.", "running")
    for number in range(len(net.extra)):
        kind = "" if number % 2 else "trans_"
        yield f"features.expand_{kind}conv{number // 2}_weight", f"extra.{number}.0.weight"
        yield from norm(f"features.expand_{kind}bn{number // 2}_", f"extra.{number}.1.", "moving")
    for level in range(len(SHAPES)):
        for theirs, ours in (("class_predictors", "scores"), ("box_predictors", "boxes")):
            for part in ("weight", "bias"):
                yield f"{theirs}.{level}.predictor.{part}", f"{ours}.{level}.{part}"


def norm(theirs: str, ours: str, statistics: str) -> Iterator[tuple[str, str]]:
    """Yield the names of a batch normalisation's four arrays."""
    yield from ((theirs + name, ours + NORM[name]) for name in NORM)
    yield from ((f"{theirs}{statistics}_{name}", f"{ours}running_{name}") for name in ("mean", "var"))


def packed(arrays: Arrays) -> bytes:
    """Return arrays and their names as MXNet saves them."""
    head = struct.pack("<QQQ", LIST_MAGIC, 0, len(arrays))
    texts = [struct.pack("<Q", len(name)) + name.encode() for name in arrays]
    return b"".join([head, *map(packed_array, arrays.values()), struct.pack("<Q", len(arrays)), *texts])


def packed_array(values: NDArray[np.float32]) -> bytes:
    """Return one array: storage, shape, device, type, numbers."""
    shape = struct.pack(f"<IiI{values.ndim}q", ARRAY_MAGIC, DENSE, values.ndim, *values.shape)
    return shape + struct.pack("<iii", *CPU, FLOAT32) + np.ascontiguousarray(values, "<f4").tobytes()


def load(net: SSD, path: Path) -> None:
    """Give a network the weights of a `.params` file; with other classes its heads for scores stay as they are.

    Raises NotWeights.
    """
    try:
        arrays = unpacked(path.read_bytes())
        found = {ours: torch.from_numpy(arrays[theirs]) for theirs, ours in names(net)}
        if len(found["scores.0.bias"]) != len(net.state_dict()["scores.0.bias"]):
            found = {name: values for name, values in found.items() if not name.startswith("scores.")}
        net.load_state_dict(found, strict=False)
    except (OSError, ValueError, KeyError, struct.error, RuntimeError) as exc:
        raise NotWeights(f"{path} does not hold weights of this network, as GluonCV saves them.") from exc


def unpacked(content: bytes) -> dict[str, NDArray[np.float32]]:
    """Return the arrays of a `.params` file by their names. Raises ValueError and struct.error where it is none."""
    file = io.BytesIO(content)
    magic, _, count = take(file, "<QQQ")
    if magic != LIST_MAGIC:
        raise ValueError("no list of arrays")
    arrays = [unpacked_array(file) for _ in range(count)]
    (named,) = take(file, "<Q")
    texts = [file.read(*take(file, "<Q")).decode() for _ in range(named)]
    return dict(zip(texts, arrays, strict=True))


def unpacked_array(file: io.BytesIO) -> NDArray[np.float32]:
    """Return the array that comes next."""
    magic, storage, dimensions = take(file, "<IiI")
    shape = take(file, f"<{dimensions}q")
    _, _, kind = take(file, "<iii")
    if (magic, storage, kind) != (ARRAY_MAGIC, DENSE, FLOAT32):
        raise ValueError("not dense float32")
    return np.frombuffer(file.read(4 * math.prod(shape)), "<f4").reshape(shape).copy()


def take(file: io.BytesIO, form: str) -> tuple[Any, ...]:
    """Return the next numbers in struct's form."""
    return struct.unpack(form, file.read(struct.calcsize(form)))


if __name__ == "__main__":
    run(main)
