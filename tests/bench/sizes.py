"""Three detectors to choose from, by precision, speed and price: prints the table `sizes` of docs/engine.md.

    .venv-dev/bin/python -m tests.bench.sizes --coco FILE --calibration FOLDER [--write docs/engine.md]

FILE has annotations in COCO's format, with the photographs in `images/` beside it. int8 is calibrated with the JPEG
and PNG files of FOLDER, none of which may be among them. `scripts/model coco` makes one of the detectors, and
scripts/test the environments. Wants a machine that does nothing else.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from deploy.cost.measured import BYTES_PER_IMAGE, Measured
from deploy.cost.prices import read_prices
from deploy.cost.ways import Way
from tests.bench.models import model_dirs, mxnet
from tests.bench.people import ask, measured, precision, serving
from tests.bench.photographs import Images, photographs
from tests.bench.race import ROUNDS, Subject, race
from tests.bench.tables import Promises, arguments, show, table
from tests.conftest import COCO
from tests.inference.example_requests import drawn_image, encoded, request_of
from tests.model_dirs import BUNDLED

TABLES = ("sizes",)
MACHINE = "ml.c6i.large"
POINTS = 0.005  # of AP, that int8 may cost
ORIGINAL = "ssd_512_mobilenet1.0"
TRAINED = {"coco-300": COCO, "person-300": BUNDLED}
INT8 = """
import sys
from pathlib import Path
from inference.export.quantize import quantize
source, target, images = map(Path, sys.argv[1:])
quantize(source, target, sorted(images.iterdir()), 300)
"""


def main() -> int:
    """The command line."""
    parser = arguments(__doc__, TABLES)
    parser.add_argument("--coco", type=Path, metavar="FILE", required=True)
    parser.add_argument("--calibration", type=Path, metavar="FOLDER", required=True)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = directories(Path(folder), chosen.calibration.resolve())
        rounds = 1 if chosen.quick else ROUNDS
        measures = {"sizes": lambda: sizes(models, photographs(chosen.coco), Path(folder), rounds)}
        return 0 if show(measures, chosen.write) else 1


def directories(folder: Path, calibration: Path) -> dict[str, Path]:
    """A model directory for each detector and number format, such as `coco-300-int8`."""
    models = {f"{ORIGINAL}-{number}": model_dirs()[number] for number in ("fp32", "int8")}
    for name, source in TRAINED.items():
        for number in ("fp32", "int8"):
            models[f"{name}-{number}"] = made = folder / f"{name}-{number}"
            made.mkdir()
            shutil.copy(source / "model.json", made)
        shutil.copy(source / "model.onnx", models[f"{name}-fp32"])
    mxnet("-c", INT8, COCO / "model.onnx", models["coco-300-int8"] / "model.int8.onnx", calibration)
    network = json.loads((BUNDLED / "model.json").read_text())["network"]
    weights = (network, "--params", BUNDLED / "person.params", "--input-size", "300")
    mxnet("-m", "inference.export", *weights, "--calibration", calibration, "--out", folder / "exported")
    shutil.copy(folder / "exported" / "model.int8.onnx", models["person-300-int8"])
    return models


def sizes(models: Mapping[str, Path], several: Images, folder: Path, rounds: int) -> tuple[str, Promises]:
    """One row for each detector and number format."""
    took = milliseconds(models, folder, rounds)
    trained = {name: model_dir for name, model_dir in models.items() if not name.startswith(ORIGINAL)}
    with serving(trained) as client:
        found = {name: ask(client, several, model=name)[1] for name in trained}
    rows = []
    for name, ms in took.items():
        people = precision(several, found[name])[0] if name in found else ""
        canvas = f"{size_of(name)}×{size_of(name)}"
        rows.append([*name.rsplit("-", 1), canvas, people, f"{ms:.1f}", f"{dollars(ms, size_of(name)):.2f}"])
    promises = {}
    for name in TRAINED:
        lost = measured(several, found[f"{name}-fp32"], None) - measured(several, found[f"{name}-int8"], None)
        promises[f"int8 of {name} loses {lost:.4f} AP, at most {POINTS}"] = lost <= POINTS
    head = ["model", "numbers", "canvas", "person AP / AP50", "ms", "$ a million images"]
    return table(head, rows), promises


def milliseconds(models: Mapping[str, Path], folder: Path, rounds: int) -> dict[str, float]:
    """From request body to response body through the four hooks, each in its turn."""
    for size in (300, 512):
        image = encoded(drawn_image(1, size, size), "JPEG", quality=95, subsampling=0)
        (folder / f"{size}.json").write_text(request_of(image, size))
    subjects = {
        name: Subject("hooks", model_dir, request=folder / f"{size_of(name)}.json")
        for name, model_dir in models.items()
    }
    return race(subjects, folder / "512.json", rounds)


def size_of(name: str) -> int:
    """Pixels of a side of the canvas."""
    return 512 if name.startswith(ORIGINAL) else 300


def dollars(ms: float, size: int) -> float:
    """For a million images on one machine that is never idle, the data that goes in and out with it."""
    prices = read_prices()
    hourly, gigabyte = prices.of(MACHINE).usd, prices.of("data").usd
    bytes_each = BYTES_PER_IMAGE * (size / 512) ** 2
    way = Way(MACHINE, MACHINE, hourly, Measured(1000 / ms, ms, bytes_each), gigabyte=gigabyte)
    return 1e6 * (way.per_image or 0.0)


if __name__ == "__main__":
    sys.exit(main())
