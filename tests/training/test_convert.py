"""The same weights give the same boxes in PyTorch, in stock GluonCV and on the ONNX engine."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import gluon_params
from anchors import anchors, decode
from detect import detections
from gluon_params import gluon_arrays, packed
from learner import trained_network
from networks import SSD
from tests.conftest import ROOT
from tests.inference.example_requests import encoded
from tests.inference.same_boxes import assert_same_boxes
from tests.inference.server_process import start_server
from tests.training import drawn
from tests.training.conftest import Trained
from training_errors import NotWeights

NETWORK, SIDE = "ssd_300_mobilenet0.25_custom", 300
LARGE = "ssd_512_mobilenet1.0_custom"
STOCK = ROOT / "tests" / "inference" / "stock_gluoncv.py"
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
RAW = """
import json, sys, mxnet as mx, numpy as np; from gluoncv import model_zoo
name, params, classes, out = json.loads(sys.argv[1])
network = model_zoo.get_model(name, classes=classes, pretrained_base=False); network.load_parameters(params)
image = mx.nd.array(np.load(out)["image"]); maps = network.features(image)
def rows(heads, length):
    return mx.nd.concat(*[h(m).transpose((0, 2, 3, 1)).reshape((0, -1, length)) for h, m in zip(heads, maps)], dim=1)
anchors = mx.nd.concat(*[generator(m) for generator, m in zip(network.anchor_generators, maps)], dim=1)
boxes = network.bbox_decoder(rows(network.box_predictors, 4), anchors)
logits = rows(network.class_predictors, len(classes) + 1)
np.savez(out, logits=logits.asnumpy(), boxes=boxes.asnumpy())
"""


@pytest.fixture(scope="module")
def params(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trained figures' detector as GluonCV parameters."""

    path = tmp_path_factory.mktemp("params") / "figure.params"
    gluon_params.main([str(trained.run / "last.pt"), str(path)])
    return path


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Drawn figures that the detector has not seen, as small on the canvas as they were when it learnt."""
    folder = tmp_path_factory.mktemp("images")
    for seed in range(2000, 2004):
        canvas = Image.new("RGB", (SIDE, SIDE), (124, 116, 104))
        for left in (0, 100, 200):
            for top in (0, 100, 200):
                canvas.paste(drawn.drawing(seed * 9 + left + top)[0].resize((96, 96)), (left, top))
        (folder / f"{seed}.png").write_bytes(encoded(canvas))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def by_pytorch(trained: Trained, images: list[Path]) -> list[dict[str, Any]]:
    """What PyTorch finds, in the wire format."""

    net, _ = trained_network(trained.run / "last.pt")
    pixels = np.stack([np.asarray(Image.open(io.BytesIO(file.read_bytes()))) for file in images])
    return [wired(rows) for rows in detections(net, pixels, SIDE, "cpu")]


def wired(rows: Any) -> dict[str, Any]:
    """Detections in shares of the image → the endpoint's answer."""
    return {
        "shape": [1, 3, SIDE, SIDE],
        "cid": [[row[5]] for row in rows.tolist()],
        "score": [[row[4]] for row in rows.tolist()],
        "bbox": (rows[:, :4] * SIDE).tolist(),
    }


def test_written_weights_can_be_trained_on(params: Path, trained: Trained) -> None:
    learnt, _ = trained_network(trained.run / "last.pt")
    net = SSD(NETWORK, 1)
    gluon_params.load(net, params)
    for name, values in learnt.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(net.state_dict()[name], values, rtol=0, atol=0)


def test_weights_for_other_classes_keep_all_but_the_heads_that_tell_classes_apart(params: Path) -> None:
    torch.manual_seed(1)
    net = SSD(NETWORK, 3)
    before = {name: values.clone() for name, values in net.state_dict().items()}
    gluon_params.load(net, params)
    same = {name for name, values in net.state_dict().items() if torch.equal(values, before[name])}
    assert {name for name in same if name.startswith("scores.")} == {
        f"scores.{level}.{part}" for level in range(6) for part in ("weight", "bias")
    }
    assert not any(name.startswith(("base.", "boxes.")) and name.endswith(".weight") for name in same)


@pytest.mark.parametrize("damage", [lambda whole: whole[:-100], lambda whole: b"no weights", lambda whole: b""])
def test_what_is_no_params_file_is_said_in_one_line(
    params: Path, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "damaged.params").write_bytes(damage(params.read_bytes()))
    with pytest.raises(NotWeights, match=r"^[^\n]*damaged.params does not hold weights of this network[^\n]*$"):
        gluon_params.load(SSD(NETWORK, 1), tmp_path / "damaged.params")


def test_pytorch_finds_something_to_compare(by_pytorch: list[dict[str, Any]]) -> None:
    assert all(max(answer["score"])[0] > 0.3 for answer in by_pytorch)


def test_stock_gluoncv_loads_the_parameters_and_gives_the_same_boxes(
    mxnet_python: Path, params: Path, images: list[Path], by_pytorch: list[dict[str, Any]]
) -> None:
    weights = json.dumps([NETWORK, str(params), ["figure"], MEAN, STD])
    asked = json.dumps([[str(file), SIDE] for file in images])
    command = [str(mxnet_python), "-W", "ignore", str(STOCK), weights]
    done = subprocess.run(command, input=asked, stdout=subprocess.PIPE, text=True, check=True)
    for ours, theirs in zip(by_pytorch, json.loads(done.stdout), strict=True):
        assert_same_boxes(ours, theirs)


def test_the_exported_onnx_gives_the_same_boxes(
    mxnet_python: Path, params: Path, images: list[Path], by_pytorch: list[dict[str, Any]], tmp_path: Path
) -> None:
    options = ["--params", params, "--out", tmp_path / "model", "--labels", "figure", "--input-size", SIDE]
    command = [mxnet_python, "-W", "ignore", "-m", "inference.export", NETWORK, *options]
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True, capture_output=True)
    with start_server(tmp_path, "--model-dir", str(tmp_path / "model")) as running:
        running.wait_until_ready()
        for file, ours in zip(images, by_pytorch, strict=True):
            assert_same_boxes(ours, running.detect(file.read_bytes(), SIDE))


@pytest.mark.parametrize("classes", [["person"], ["cat", "dog"]])
def test_the_large_network_for_any_classes_computes_what_stock_gluoncv_computes(
    mxnet_python: Path, tmp_path: Path, classes: list[str]
) -> None:
    torch.manual_seed(1)
    net = SSD(LARGE, len(classes)).eval()
    (tmp_path / "random.params").write_bytes(packed(gluon_arrays(net)))
    image = torch.randn(1, 3, 512, 512)
    with torch.no_grad():
        logits, offsets, _ = net(image)
    np.savez(tmp_path / "out.npz", image=image.numpy())
    asked = [LARGE, str(tmp_path / "random.params"), classes, str(tmp_path / "out.npz")]
    subprocess.run([str(mxnet_python), "-W", "ignore", "-c", RAW, json.dumps(asked)], check=True)
    theirs = np.load(tmp_path / "out.npz")
    np.testing.assert_allclose(logits.numpy(), theirs["logits"], atol=1e-3, rtol=1e-3)
    boxes = decode(offsets, anchors(512, "cpu")).numpy() * 512
    np.testing.assert_allclose(boxes, theirs["boxes"], atol=0.05, rtol=1e-3)
