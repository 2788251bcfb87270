"""How fast the engine is, and how true: prints tables of docs/engine.md and says whether each promise held.

    .venv-dev/bin/python -m tests.bench.engine [--only TABLE…] [--write docs/engine.md]
                                               [--coco FILE --calibration FOLDER]

Wants scripts/test to have made its environments, and a machine that does nothing else. The table `precision` is of the
bundled detector and wants annotations in COCO's format (`FILE`, images in `images/` beside it) and images to
calibrate int8 with.
"""

import json
import math
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

import onnx
from onnx import shape_inference

from tests.bench.models import MXNET_PYTHON, SIZE, model_dirs, mxnet
from tests.bench.race import ROUNDS, Subject, race
from tests.bench.tables import Measure, Promises, arguments, show, table
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.model_dirs import BUNDLED

MATRIX = 2048  # rows and columns of the product, as subject.py makes it
TABLES = ("hooks", "engines", "parity", "precision")
SCORE, CORNER = 0.001, 0.5  # what float32 may differ by from MXNet: scores, and pixels of a corner
POINTS = 0.005  # what int8 may cost of AP


def main() -> int:
    """The command line."""
    parser = arguments(__doc__, TABLES)
    parser.add_argument("--coco", type=Path, metavar="FILE")
    parser.add_argument("--calibration", type=Path, metavar="FOLDER")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measures = measures_of(chosen, Path(folder))
        return 0 if show({name: measures[name] for name in chosen.only if name in measures}, chosen.write) else 1


def measures_of(chosen: Namespace, folder: Path) -> dict[str, Measure]:
    """What there is to measure; precision only with images."""
    models, request = model_dirs(), folder / "request.json"
    request.write_text(request_of(encoded(drawn_image(1, SIZE, SIZE), "JPEG", quality=95, subsampling=0), SIZE))
    rounds = 1 if chosen.quick else ROUNDS
    measures: dict[str, Measure] = {
        "hooks": lambda: hooks(models, request, rounds),
        "engines": lambda: engines(models, request, rounds),
        "parity": lambda: parity((models["fp32"].parent / "parity.md").read_text()),
    }
    if chosen.coco and chosen.calibration:
        measures["precision"] = lambda: precision(chosen.coco, chosen.calibration, folder)
    return measures


def hooks(models: dict[str, Path], request: Path, rounds: int) -> tuple[str, Promises]:
    """MXNet against the engine, from request body to response body."""
    taken = race(
        {
            "MXNet 1.9.1": Subject("hooks", models["mxnet"], MXNET_PYTHON),
            "ONNX engine, fp32": Subject("hooks", models["fp32"]),
            "ONNX engine, int8": Subject("hooks", models["int8"]),
        },
        request,
        rounds,
    )
    times = {name: taken["MXNet 1.9.1"] / ms for name, ms in taken.items()}
    rows = [[name, f"{ms:.1f}", f"{times[name]:.2f}"] for name, ms in taken.items()]
    promises = {
        f"fp32 through the hooks is {times['ONNX engine, fp32']:.2f} times as fast as MXNet, at least 2": (
            times["ONNX engine, fp32"] >= 2
        ),
        f"int8 through the hooks is {times['ONNX engine, int8']:.2f} times as fast as MXNet, at least 4": (
            times["ONNX engine, int8"] >= 4
        ),
    }
    return table(["four hooks on", "ms", "times as fast as MXNet"], rows), promises


def engines(models: dict[str, Path], request: Path, rounds: int) -> tuple[str, Promises]:
    """ONNX Runtime against OpenVINO, and how much of what the machine can do they get."""
    subjects = {"matrix product": Subject("matmul")}
    for number in ("fp32", "int8"):
        subjects[f"ONNX Runtime, {number}"] = Subject("onnxruntime", models[number], MXNET_PYTHON)
        subjects[f"OpenVINO, {number}"] = Subject("openvino", models[number])
    taken = race(subjects, request, rounds)
    product, network = 2 * MATRIX**3, operations(models["fp32"] / "model.onnx")
    speeds = {name: (product if name == "matrix product" else network) / ms / 1e6 for name, ms in taken.items()}
    shares = {name: 100 * speed / speeds["matrix product"] for name, speed in speeds.items()}
    rows = [[name, f"{ms:.1f}", f"{speeds[name]:.0f}", f"{shares[name]:.0f} %"] for name, ms in taken.items()]
    share = shares["OpenVINO, fp32"]
    promises = {f"fp32 reaches {share:.0f} % of a matrix product's speed, at least 60 %": share >= 60}
    return table(["", "ms", "GFLOP/s", "of the matrix product's"], rows), promises


def operations(file: Path) -> int:
    """The additions and multiplications of a network's convolutions on an image of SIZE x SIZE."""
    model = onnx.load(file)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[1:3]:
        dimension.dim_value = SIZE
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in graph.value_info}
    kernels = {constant.name: constant.dims for constant in graph.initializer}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return sum(2 * math.prod(shapes[node.output[0]]) * math.prod(kernels[node.input[1]][1:]) for node in convolutions)


def parity(report: str) -> tuple[str, Promises]:
    """What export said of the networks that are timed here, but for the precision that random weights do not have."""
    rows = [[name, *values[:2]] for name, values in cells(report).items()]
    score, corner = map(float, cells(report)["model.onnx"][:2])
    words = f"fp32 differs from MXNet by {score:.5f} in a score and {corner:.3f} pixels, under {SCORE} and {CORNER}"
    head = ["network", "largest score difference", "largest corner difference, pixels"]
    return table(head, rows), {words: score < SCORE and corner < CORNER}


def precision(annotations: Path, calibration: Path, folder: Path) -> tuple[str, Promises]:
    """What the bundled detector finds on each engine, in photographs."""
    about = json.loads((BUNDLED / "model.json").read_text())
    weights = (about["network"], "--params", next(BUNDLED.glob("*.params")), "--labels", *about["labels"])
    options = ("--input-size", str(about["input_size"]), "--calibration", calibration, "--coco", annotations)
    report = mxnet("-m", "inference.export", *weights, *options, "--out", folder / "bundled")
    found = {name: float(values[2]) for name, values in cells(report).items()}
    lost = {name: found["MXNet"] - found[name] for name in ("model.onnx", "model.int8.onnx")}
    return report, {
        f"fp32 loses {100 * lost['model.onnx']:.2f} points of AP, none": abs(lost["model.onnx"]) < POINTS / 10,
        f"int8 loses {100 * lost['model.int8.onnx']:.2f} points of AP, at most 0.5": lost["model.int8.onnx"] <= POINTS,
    }


def cells(report: str) -> dict[str, list[str]]:
    """The rows of a table in Markdown by their first column."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines()[2:]]
    return {name: columns for name, *columns in rows}


if __name__ == "__main__":
    sys.exit(main())
