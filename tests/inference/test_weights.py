"""The original's artifact, one empty model.params: GluonCV's pretrained network, narrowed to people."""

import hashlib
import io
import json
import os
import subprocess
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from inference import HOOKS

NETWORK = "ssd_512_mobilenet1.0_coco"
FILE = f"{NETWORK}-da9756fa.params"
SHA1 = "da9756faa5b9b4e34dedcf83ee0733d5895796ad"
MAKE_WEIGHTS = """
import sys, mxnet as mx; from gluoncv import model_zoo
mx.random.seed(1)
network = model_zoo.get_model(sys.argv[1], pretrained_base=False)
network.initialize(mx.init.Normal(0.05))
network(mx.nd.zeros((1, 3, 512, 512)))
network.save_parameters(sys.argv[2])
"""
# The network that is served, and the whole one asked about the same image.
COMPARE = """
import json, sys; sys.path.insert(0, sys.argv[1])
import mxnet as mx, inference; from gluoncv import model_zoo
model = inference.model_fn(sys.argv[2])
whole = model_zoo.get_model(sys.argv[4], pretrained_base=False); whole.load_parameters(sys.argv[3])
def predictors(network):
    return [p.predictor.params.get("weight").data().asnumpy() for p in network.class_predictors]
same = [bool((few[i::2] == many[j::81]).all()) for few, many in zip(predictors(model.network), predictors(whole))
        for i, j in ((0, 0), (1, 1 + whole.classes.index("person")))]
json.dump({"classes": model.network.classes, "same": same}, sys.stdout)
"""
SWAP_SHA1 = "import sys; sys.path.insert(0, {0!r}); import weights; weights.SHA1[{1!r}] = {2!r}\n"


@pytest.fixture(scope="module")
def coco_weights(mxnet_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Parameters of the pretrained network's shape, with random numbers."""
    path = tmp_path_factory.mktemp("coco") / "random.params"
    subprocess.run([str(mxnet_python), "-W", "ignore", "-c", MAKE_WEIGHTS, NETWORK, str(path)], check=True)
    return path


@pytest.fixture
def empty_artifact(tmp_path: Path) -> Path:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.params").touch()
    return tmp_path / "model"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server of files in the place of GluonCV's: its address, and the folder where the zips go."""
    folder = tmp_path / "host" / "gluon" / "models"
    folder.mkdir(parents=True)
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "host"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", folder
        server.shutdown()


def run(python: Path, code: str, *arguments: object, **variables: object) -> Any:
    """Run code with MXNet; what it writes, or the last line of what it raised."""
    done = subprocess.run(
        [str(python), "-W", "ignore", "-c", code, *map(str, arguments)],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def compare(python: Path, model_dir: Path, coco_weights: Path, sha1: str = SHA1, **variables: object) -> Any:
    code = SWAP_SHA1.format(str(HOOKS), NETWORK, sha1) + COMPARE
    return run(python, code, HOOKS, model_dir, coco_weights, NETWORK, **variables)


def zipped(data: bytes, name: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, data)
    return file.getvalue()


def assert_narrowed_to_people(found: Any) -> None:
    assert found["classes"] == ["person"]
    assert len(found["same"]) == 12
    assert all(found["same"])


def test_detect_weights_bring_the_pretrained_network_narrowed_to_people_with_its_weights(
    mxnet_python: Path, empty_artifact: Path, coco_weights: Path
) -> None:
    assert_narrowed_to_people(compare(mxnet_python, empty_artifact, coco_weights, DETECT_WEIGHTS=coco_weights))


def test_the_pretrained_file_may_come_in_the_artifact(mxnet_python: Path, tmp_path: Path, coco_weights: Path) -> None:
    (tmp_path / FILE).symlink_to(coco_weights)
    assert_narrowed_to_people(compare(mxnet_python, tmp_path, coco_weights))


def test_the_weights_are_downloaded_once_and_their_sha1_checked(
    mxnet_python: Path, empty_artifact: Path, coco_weights: Path, host: tuple[str, Path], tmp_path: Path
) -> None:
    url, folder = host
    data = coco_weights.read_bytes()
    sha1 = hashlib.sha1(data).hexdigest()
    file = f"{NETWORK}-{sha1[:8]}"
    (folder / f"{file}.zip").write_bytes(zipped(data, f"{file}.params"))
    for _ in range(2):
        found = compare(
            mxnet_python, empty_artifact, coco_weights, sha1, MXNET_GLUON_REPO=url, MXNET_HOME=tmp_path / "home"
        )
        assert_narrowed_to_people(found)
        (folder / f"{file}.zip").unlink(missing_ok=True)  # the second time there is nothing to fetch
    assert [path.name for path in (tmp_path / "home" / "models").iterdir()] == [f"{file}.params"]


@pytest.mark.parametrize(
    ("served", "what"),
    [
        (None, "could not be downloaded"),
        (b"<html>not found</html>", "could not be downloaded"),
        (zipped(b"", "other.params"), "could not be downloaded"),
        (zipped(b"other weights", FILE), "was downloaded with a wrong hash"),
    ],
)
def test_weights_that_cannot_be_had_are_one_line_with_file_and_hash(
    mxnet_python: Path, empty_artifact: Path, host: tuple[str, Path], tmp_path: Path, served: bytes | None, what: str
) -> None:
    url, folder = host
    if served is not None:
        (folder / FILE.replace(".params", ".zip")).write_bytes(served)
    line = compare(mxnet_python, empty_artifact, empty_artifact, MXNET_GLUON_REPO=url, MXNET_HOME=tmp_path / "home")
    said = f"{FILE} (sha1 {SHA1}) {what}: put it into model.tar.gz, or name it with DETECT_WEIGHTS"
    assert line == f"errors.ModelNotUsable: {said}"
    assert not list((tmp_path / "home").rglob("*.params"))


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"MXNET_GLUON_REPO": "http://127.0.0.1:9/"}, f"{FILE} (sha1 {SHA1}) could not be downloaded: "),
        ({"DETECT_WEIGHTS": "/nowhere/at.all"}, "DETECT_WEIGHTS is not a file: /nowhere/at.all"),
        ({"DETECT_WEIGHTS": __file__}, "test_weights.py cannot be loaded"),
        ({"DETECT_NETWORK": "ssd_512_resnet50_v1_voc"}, "none are known for ssd_512_resnet50_v1_voc"),
    ],
)
def test_an_empty_artifact_without_its_weights_says_what_is_missing(
    mxnet_python: Path, empty_artifact: Path, tmp_path: Path, variables: dict[str, str], said: str
) -> None:
    variables = {"MXNET_HOME": str(tmp_path), **variables}
    line = compare(mxnet_python, empty_artifact, empty_artifact, SHA1, **variables)
    assert line.startswith("errors.ModelNotUsable: ")
    assert said in line


def test_labels_that_the_network_does_not_know_are_named(
    mxnet_python: Path, empty_artifact: Path, coco_weights: Path
) -> None:
    line = compare(mxnet_python, empty_artifact, coco_weights, DETECT_WEIGHTS=coco_weights, DETECT_LABELS="person,elf")
    assert line == "errors.ModelNotUsable: the network was not trained on elf"


def test_without_gluoncv_the_error_says_so(mxnet_python: Path, empty_artifact: Path, coco_weights: Path) -> None:
    code = "import sys; sys.modules['gluoncv'] = None; sys.path.insert(0, sys.argv[1])\n"
    line = run(
        mxnet_python,
        code + "import inference; inference.model_fn(sys.argv[2])",
        HOOKS,
        empty_artifact,
        DETECT_WEIGHTS=coco_weights,
    )
    said = "GluonCV is not installed: only a symbol with parameters works without it"
    assert line == f"errors.ModelNotUsable: {said}"
