"""Graph models of TensorFlow.js: the export gives what TensorFlow.js gives, and refuses what it does not know."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import nms
from manifest import read_manifest
from onnx_engine import OnnxDetector, load
from tests.conftest import ROOT, exported, run_export
from tests.example_images import HOPPER
from tests.inference import tensorflow_graphs
from tests.inference.tensorflow_graphs import TinySsd

SHOWN = [ROOT / "docs" / "images" / "people" / name for name in ("cat.jpg", "coffee.jpg", "photographer.jpg")]
SEEN, SCORE, CORNER = 0.05, 1e-3, 0.5
ABOUT = {"labels": ["cup", "cat"], "classes": [3, 1], "input_size": 32, "mean": [0.5] * 3, "std": [0.5] * 3}


def detector(folder: Path) -> OnnxDetector:
    return load(str(folder), read_manifest(str(folder)))


def assert_same(ours: tuple[Any, Any], theirs: tuple[Any, Any]) -> None:
    """Anchors over .05 have the same scores and corners, in pixels."""
    seen = np.maximum(ours[0], theirs[0]).max(axis=1) > SEEN
    assert seen.any()
    assert np.abs(ours[0] - theirs[0])[seen].max() <= SCORE
    assert np.abs(ours[1] - theirs[1])[seen].max() <= CORNER


def test_scores_and_boxes_are_tensorflowjs_own_at_the_models_size_and_at_any_other(
    coco_graph: Path, coco_dir: Path, tensorflowjs: None
) -> None:
    images = [np.asarray(Image.open(file).convert("RGB").resize((300, 300))) for file in (*SHOWN, HOPPER)]
    images.append(np.asarray(Image.open(HOPPER).convert("RGB").resize((333, 421))))
    outputs = "Postprocessor/Slice", "Postprocessor/ExpandDims_1"
    classes = json.loads((coco_dir / "model.json").read_text())["classes"]
    ours = detector(coco_dir)
    for image, (scores, boxes) in zip(images, tensorflow_graphs.run(coco_graph, images, *outputs), strict=True):
        height, width, _ = image.shape
        of_labels = scores.reshape(1917, 90)[:, np.array(classes) - 1]  # the background is cut off there
        corners = boxes.reshape(1917, 4)[:, [1, 0, 3, 2]] * [width, height, width, height]
        assert_same(ours.candidates(image), (of_labels, corners))


def test_int8_from_a_few_images_finds_the_same_objects(
    coco_graph: Path, coco_dir: Path, mxnet_python: Path, tmp_path: Path
) -> None:
    about, images = tmp_path / "model", tmp_path / "images"
    about.mkdir()
    images.mkdir()
    for file in (coco_dir / "model.json", *SHOWN):
        shutil.copy(file, images if file in SHOWN else about)
    options = "--model-dir", about, "--calibration", images
    ended = run_export("tensorflowjs", coco_graph, *options, python=mxnet_python)
    assert ended.returncode == 0, ended.stderr
    sizes = [(about / name).stat().st_size for name in ("model.int8.onnx", "model.onnx")]
    assert sizes[0] < sizes[1] / 3
    small, full = detector(about), detector(coco_dir)
    for file in SHOWN:
        image = np.asarray(Image.open(file).convert("RGB").resize((300, 300)))
        ours, theirs = small(image), full(image)
        assert ours.ids[0] == theirs.ids[0]
        assert nms.overlaps(np.stack((ours.boxes[0], theirs.boxes[0])))[0, 1] > 0.8


def test_only_boxes_of_one_label_suppress_each_other(coco_dir: Path) -> None:
    image = np.asarray(Image.open(SHOWN[1]).convert("RGB").resize((300, 300)))
    _, ids, scores, boxes = detector(coco_dir)(image)
    used = scores[:, 0] > 0
    close = nms.overlaps(boxes[used]) > nms.OVERLAP
    same_label = ids[used] == ids[used].T
    assert (close & ~same_label).any()
    assert (close & same_label).sum() == used.sum(), "each overlaps itself alone"


@pytest.fixture
def tiny(tmp_path: Path) -> TinySsd:
    (tmp_path / "model.json").write_text(json.dumps(ABOUT))
    return TinySsd()


def test_softmax_batch_norms_and_sums_are_tensorflowjs_own_too(
    tmp_path: Path, tiny: TinySsd, tensorflowjs: None
) -> None:
    graph = tiny.save(tmp_path)
    exported(graph, tmp_path)
    image = np.random.default_rng(1).integers(0, 256, (32, 48, 3), np.uint8)
    ((scores, offsets),) = tensorflow_graphs.run(graph, [image], "Postprocessor/convert_scores", "Squeeze")
    assert_same(detector(tmp_path).candidates(image), (scores.reshape(32, 4)[:, [3, 1]], decoded(tiny, offsets)))


def decoded(tiny: TinySsd, offsets: Any) -> Any:
    """Corners in an image of 48x32 pixels, by the formula of TensorFlow's box coder with the scales 10, 10, 5, 5."""
    y_min, x_min, y_max, x_max = dict(tiny.weights)["Postprocessor/ExpandDims"][0].T
    y, x, height, width = offsets.reshape(32, 4).T
    centre_y = y / 10 * (y_max - y_min) + (y_min + y_max) / 2
    centre_x = x / 10 * (x_max - x_min) + (x_min + x_max) / 2
    half_height, half_width = np.exp(height / 5) * (y_max - y_min) / 2, np.exp(width / 5) * (x_max - x_min) / 2
    sides = centre_x - half_width, centre_y - half_height, centre_x + half_width, centre_y + half_height
    return np.stack(sides, axis=1) * [48, 32, 48, 32]


def refused(graph: Path, model_dir: Path) -> str:
    """What the export says where it refuses; it leaves no model.onnx."""
    ended = run_export("tensorflowjs", graph, "--model-dir", model_dir)
    assert ended.returncode == 1
    assert not list(model_dir.glob("*.onnx*"))
    return ended.stderr


@pytest.mark.parametrize("about", [{"mean": [0.4] * 3}, {"std": [1.0] * 3}, {"input_size": 300}])
def test_a_model_json_that_says_another_preprocessing_than_the_graph_is_refused(
    tmp_path: Path, tiny: TinySsd, about: dict[str, Any]
) -> None:
    (tmp_path / "model.json").write_text(json.dumps(ABOUT | about))
    assert "the graph takes 32x32 pixels with mean 0.5 and std 0.5, model.json says" in refused(
        tiny.save(tmp_path), tmp_path
    )


def test_labels_and_classes_of_different_number_are_refused(tmp_path: Path, tiny: TinySsd) -> None:
    (tmp_path / "model.json").write_text(json.dumps(ABOUT | {"classes": [1]}))
    assert "2 labels and 1 classes" in refused(tiny.save(tmp_path), tmp_path)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("relu", {"op": "Elu"}, "no conversion for operator Elu"),
        ("Squeeze", {"name": "Squashed"}, "the network lacks Squeeze"),
        ("Postprocessor/ExpandDims", {"op": "Identity", "input": ["axis"]}, "Postprocessor/ExpandDims is no constant"),
    ],
)
def test_a_graph_of_another_family_is_refused(
    tmp_path: Path, tiny: TinySsd, name: str, change: dict[str, Any], said: str
) -> None:
    next(node for node in tiny.nodes if node["name"] == name).update(change)
    assert said in refused(tiny.save(tmp_path), tmp_path)


def test_a_file_that_is_no_graph_in_float32_is_refused(tmp_path: Path, tiny: TinySsd) -> None:
    graph = tiny.save(tmp_path)
    for text in ("", "{}", graph.read_text().replace('"float32"', '"float16"')):
        graph.write_text(text)
        assert "is no graph model of TensorFlow.js in float32" in refused(graph, tmp_path)


def test_an_older_int8_network_does_not_outlive_the_weights_it_was_made_from(tmp_path: Path, tiny: TinySsd) -> None:
    (tmp_path / "model.int8.onnx").touch()
    exported(tiny.save(tmp_path), tmp_path)
    assert [file.name for file in tmp_path.glob("*.onnx")] == ["model.onnx"]
