"""Export: from GluonCV's weights to a directory in which every engine gives the same."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.example_images import HOPPER
from tests.inference.example_requests import drawn_image, encoded
from tests.inference.server_process import start_server
from tests.model_dirs import BUNDLED

NETWORKS = [
    ("ssd_300_mobilenet0.25_custom", ["car", "person"]),  # reset to the last one
    ("ssd_512_mobilenet1.0_custom", ["person"]),
    ("ssd_512_resnet50_v1_custom", ["person"]),
    ("ssd_300_vgg16_atrous_custom", ["person"]),
]
SCORE, CORNER = 1e-3, 0.5
WEIGHTS = ["ssd_300_mobilenet0.25_custom", "--params", str(BUNDLED / "person.params"), "--input-size", "300"]


def run(python: Path, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [str(python), "-W", "ignore", "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def rows(report: str) -> dict[str, list[str]]:
    """The table of a report: per network its columns as text."""
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in report.splitlines()[2:]]
    return {name: columns for name, *columns in lines}


@pytest.mark.parametrize(("network", "labels"), NETWORKS)
def test_a_network_exported_by_name_or_from_its_symbol_gives_the_same_on_both_engines(
    network: str, labels: list[str], mxnet_python: Path, tmp_path: Path
) -> None:
    done = run(mxnet_python, "tests.inference.exported", str(tmp_path), network, *labels)
    assert done.returncode == 0, done.stderr
    seen, *reports = json.loads(done.stdout)
    assert seen > 100
    for report in reports:
        score, corner, *_ = rows(report)["model.onnx"]
        assert float(score) < SCORE
        assert float(corner) < CORNER
    assert json.loads((tmp_path / "copied" / "model.json").read_text())["labels"] == labels[-1:]


@pytest.fixture(scope="module")
def drawn_set(endpoint: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn images in COCO's format, in which the people are what the bundled detector sees in them."""
    folder = tmp_path_factory.mktemp("set")
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number in range(4):
        image = drawn_image(number)
        (folder / f"{number}.png").write_bytes(encoded(image))
        images.append({"id": number, "file_name": f"{number}.png", "width": image.width, "height": image.height})
        for (cid,), corners in zip(
            *(endpoint.detect(encoded(image), 300)[key] for key in ("cid", "bbox")), strict=True
        ):
            if cid >= 0:
                x_min, y_min, x_max, y_max = corners
                box = [x_min, y_min, x_max - x_min, y_max - y_min]
                known = {"id": len(annotations) + 1, "image_id": number, "category_id": 7, "bbox": box}
                annotations.append({**known, "area": box[2] * box[3], "iscrowd": 0})
    categories = [{"id": 3, "name": "dog"}, {"id": 7, "name": "person"}]
    told = {"info": {}, "images": images, "annotations": annotations, "categories": categories}
    (folder / "set.json").write_text(json.dumps(told))
    return folder


@pytest.fixture(scope="module")
def exported(mxnet_python: Path, drawn_set: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The bundled weights with int8 beside float32, and the report."""
    out = tmp_path_factory.mktemp("exported")
    options = ["--calibration", str(drawn_set), "--coco", str(drawn_set / "set.json"), "--score-floor", "0.2"]
    done = run(mxnet_python, "inference.export", *WEIGHTS, *options, "--out", str(out))
    assert done.returncode == 0, done.stderr
    return out, done.stdout


def test_the_report_says_how_far_int8_is_off_and_what_each_network_finds(exported: tuple[Path, str]) -> None:
    table = rows(exported[1])
    assert list(table) == ["MXNet", "model.int8.onnx", "model.onnx"]
    assert float(table["model.onnx"][0]) < SCORE < float(table["model.int8.onnx"][0])
    for name in ("MXNet", "model.onnx"):
        assert [float(value) for value in table[name][2:]] == [1, 1]  # the people are what float32 sees
    assert 0.2 < float(table["model.int8.onnx"][3]) < 1


def test_the_endpoint_serves_int8_where_it_is_and_nothing_under_the_floor(
    exported: tuple[Path, str], endpoint: Any, tmp_path: Path
) -> None:
    image = encoded(Image.open(HOPPER).resize((300, 300)))
    with start_server(tmp_path, "--model-dir", str(exported[0])) as running:
        running.wait_until_ready()
        answer = running.detect(image, 300)
    used = [score for (score,) in answer["score"] if score >= 0]
    assert used
    assert min(used) >= 0.2
    assert answer["score"][0] != endpoint.detect(image, 300)["score"][0]
    assert answer["score"][0] == pytest.approx(endpoint.detect(image, 300)["score"][0], abs=0.15)


REFUSED: list[tuple[list[str], str]] = [
    ([*WEIGHTS, "--labels", "person", "dog"], "person.params cannot be loaded"),
    (["--symbol", "{out}/model-symbol.json"], "a symbol needs its --params"),
    (
        ["--symbol", "{out}/model-symbol.json", "--params", "{out}/model-0000.params", "--labels", "cat", "dog"],
        "the network has 1 classes, and 2 labels are named",
    ),
    ([*WEIGHTS, "--coco", "{set}/set.json", "--labels", "whale"], "the set has no category whale"),
    ([*WEIGHTS, "--input-size", "9"], "input_size must be a whole number from 32 to 1024"),
    ([*WEIGHTS, "--calibration", "{set}/nothing"], "nothing"),
    ([*WEIGHTS, "--calibration", "{tmp}"], "holds no JPEG or PNG"),
    (["ssd_9_nothing", "--params", str(BUNDLED / "person.params")], "GluonCV has no network ssd_9_nothing"),
    (["ssd_512_mobilenet1.0_coco"], "ssd_512_mobilenet1.0_coco-da9756fa.params (sha1 da9756fa"),
]


def test_what_cannot_be_exported_is_said_in_one_line(
    exported: tuple[Path, str],
    drawn_set: Path,
    mxnet_python: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All in one process, since MXNet takes seconds to start."""
    places = {"out": exported[0], "set": drawn_set, "tmp": tmp_path}
    told = [[option.format(**places) for option in (*options, "--out", "{tmp}/out")] for options, _ in REFUSED]
    monkeypatch.setenv("MXNET_GLUON_REPO", "http://127.0.0.1:9")
    monkeypatch.setenv("MXNET_HOME", str(tmp_path))
    done = run(mxnet_python, "tests.inference.refused", json.dumps(told))
    assert done.returncode == 0, done.stderr
    for (_, words), (code, said) in zip(REFUSED, json.loads(done.stdout), strict=True):
        assert code == 1, words
        assert said.startswith("export: "), said
        assert words in said
        assert said.count("\n") == 1, said


def test_an_export_without_calibration_leaves_no_older_int8_to_be_served(
    exported: tuple[Path, str], mxnet_python: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.int8.onnx").write_bytes((exported[0] / "model.int8.onnx").read_bytes())
    done = run(mxnet_python, "inference.export", *WEIGHTS, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert list(rows(done.stdout)) == ["MXNet", "model.onnx"]
    assert not (tmp_path / "model.int8.onnx").exists()
