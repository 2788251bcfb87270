"""How fast the engine is: `python -m tests.bench.engine` prints the tables of docs/engine.md.

Wants scripts/test to have made its environments, and a machine that does nothing else.
"""

import math
import sys
import tempfile
from pathlib import Path

import onnx
from onnx import shape_inference

from tests.bench.models import SIZE, model_dirs
from tests.bench.race import Subject, race
from tests.inference.running import MXNET_PYTHON, drawn_picture, encoded, request_of

Table = list[list[str]]
MATRIX = 2048  # rows and columns of the product, as subject.py makes it


def main() -> None:
    """Print all tables."""
    models = model_dirs()
    with tempfile.TemporaryDirectory() as folder:
        request = Path(folder, "request.json")
        request.write_text(request_of(encoded(drawn_picture(1, SIZE, SIZE), "JPEG", quality=95, subsampling=0), SIZE))
        sys.stdout.write("## Request body to response body, through the hooks\n\n" + hooks(models, request))
        sys.stdout.write("\n## The network alone\n\n" + engines(models, request))
    sys.stdout.write("\n## The same weights give the same\n\n" + (models["fp32"].parent / "parity.md").read_text())


def hooks(models: dict[str, Path], request: Path) -> str:
    """MXNet against the engine, from request to response."""
    taken = race(
        {
            "MXNet 1.9.1": Subject("hooks", models["mxnet"], MXNET_PYTHON),
            "ONNX engine, float32": Subject("hooks", models["fp32"]),
            "ONNX engine, int8": Subject("hooks", models["int8"]),
        },
        request,
    )
    slowest = taken["MXNet 1.9.1"]
    rows = [[name, f"{ms:.1f}", f"{slowest / ms:.2f}"] for name, ms in taken.items()]
    return table(["four hooks on", "ms", "times as fast as MXNet"], rows)


def engines(models: dict[str, Path], request: Path) -> str:
    """ONNX Runtime against OpenVINO, and how much of what the machine can do they get."""
    subjects = {"matrix product": Subject("matmul")}
    for number in ("fp32", "int8"):
        subjects[f"ONNX Runtime, {number}"] = Subject("onnxruntime", models[number], MXNET_PYTHON)
        subjects[f"OpenVINO, {number}"] = Subject("openvino", models[number])
    taken = race(subjects, request)
    work = {"matrix product": 2 * MATRIX**3}
    rows = []
    peak = work["matrix product"] / taken["matrix product"]
    network = operations(models["fp32"] / "model.onnx")
    for name, ms in taken.items():
        speed = work.get(name, network) / ms
        rows.append([name, f"{ms:.1f}", f"{speed / 1e6:.0f}", f"{100 * speed / peak:.0f} %"])
    return table(["", "ms", "GFLOP/s", "of the matrix product's"], rows)


def operations(file: Path) -> int:
    """The additions and multiplications of a network's convolutions on a picture of SIZE x SIZE."""
    model = onnx.load(file)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = SIZE
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.value_info}
    kernels = {constant.name: constant.dims for constant in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return sum(2 * math.prod(shapes[node.output[0]]) * math.prod(kernels[node.input[1]][1:]) for node in convolutions)


def table(head: list[str], rows: Table) -> str:
    """A table in Markdown."""
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    main()
