"""The same weights give the same boxes on every engine, and the same as stock GluonCV."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.inference.running import BUNDLED, Running, drawn_picture, encoded

SEEN = 0.05  # scores under this are not looked for on the other side
Answer = dict[str, Any]
MANIFEST = json.loads((BUNDLED / "model.json").read_text())
SIZE = MANIFEST["input_size"]


def assert_same_boxes(ours: Answer, theirs: Answer, score: float = 1e-3, pixels: float = 0.5) -> None:
    """Whatever one side sees over SEEN, the other side sees too, so closely."""
    assert seen_by_one(ours, theirs, score, pixels) == []


def seen_by_one(ours: Answer, theirs: Answer, score: float = 1e-3, pixels: float = 0.5) -> list[Any]:
    """The rows over SEEN that only one side has."""
    assert ours["shape"] == theirs["shape"]
    return [
        row
        for one, other in ((ours, theirs), (theirs, ours))
        for row in rows(one, SEEN)
        if not any(close(row, twin, score, pixels) for twin in rows(other, SEEN - 2 * score))
    ]


def rows(answer: Answer, least: float) -> list[tuple[float, float, list[float]]]:
    found = zip(answer["cid"], answer["score"], answer["bbox"], strict=True)
    return [(cid, score, box) for (cid,), (score,), box in found if score > least]


def close(row: Any, twin: Any, score: float, pixels: float) -> bool:
    apart = max(abs(a - b) for a, b in zip(row[2], twin[2], strict=True))
    return bool(row[0] == twin[0] and abs(row[1] - twin[1]) <= score and apart <= pixels)


def stock(python: Path, files: list[Path], short: int) -> list[Answer]:
    """Ask stock GluonCV about all these files."""
    params = next(BUNDLED.glob("*.params"))
    weights = [MANIFEST["network"], str(params), MANIFEST["labels"], MANIFEST["mean"], MANIFEST["std"]]
    done = subprocess.run(
        [str(python), "-W", "ignore", str(Path(__file__).with_name("stock_gluoncv.py")), json.dumps(weights)],
        input=json.dumps([[str(file), short] for file in files]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers: list[Answer] = json.loads(done.stdout)
    return answers


@pytest.fixture(scope="module")
def canvases(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """All photographs, each stretched to what the model wants."""
    folder = tmp_path_factory.mktemp("canvases")
    for file in sorted((shared / "pictures" / "people" / "images").glob("*.jpg")):
        with Image.open(file) as image:
            image.convert("RGB").resize((SIZE, SIZE)).save(folder / f"{file.stem}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Pictures that need no data: three drawn ones, one grey, one blank."""
    folder = tmp_path_factory.mktemp("drawn")
    pictures = [drawn_picture(seed, SIZE, SIZE) for seed in (1, 2, 3)]
    pictures += [drawn_picture(4, SIZE, SIZE).convert("L"), Image.new("RGB", (SIZE, SIZE), "white")]
    for number, picture in enumerate(pictures):
        (folder / f"{number}.png").write_bytes(encoded(picture))
    return sorted(folder.iterdir())


def test_both_engines_see_the_same_in_drawn_pictures(
    endpoint: Running, mxnet_endpoint: Running, drawn: list[Path]
) -> None:
    for file in drawn:
        assert_same_boxes(endpoint.detect(file.read_bytes(), SIZE), mxnet_endpoint.detect(file.read_bytes(), SIZE))


def test_the_drawn_pictures_show_the_detector_something(endpoint: Running, drawn: list[Path]) -> None:
    assert any(rows(endpoint.detect(file.read_bytes(), SIZE), SEEN) for file in drawn)


def test_the_engines_see_in_drawn_pictures_what_stock_gluoncv_sees(
    endpoint: Running, mxnet_python: Path, drawn: list[Path]
) -> None:
    for file, theirs in zip(drawn, stock(mxnet_python, drawn, SIZE), strict=True):
        assert_same_boxes(endpoint.detect(file.read_bytes(), SIZE), theirs)


def test_all_three_see_the_same_in_every_photograph(
    endpoint: Running, mxnet_endpoint: Running, mxnet_python: Path, canvases: list[Path]
) -> None:
    seen, alone = 0, []
    for file, theirs in zip(canvases, stock(mxnet_python, canvases, SIZE), strict=True):
        assert_same_boxes(mxnet_endpoint.detect(file.read_bytes(), SIZE), theirs)
        alone += seen_by_one(endpoint.detect(file.read_bytes(), SIZE), theirs)
        seen += len(rows(theirs, SEEN))
    assert len(alone) <= seen / 200, alone  # of two boxes that score alike and overlap, rounding decides which one goes


def test_a_photograph_resized_by_the_endpoint_gives_what_stock_gluoncv_gives(
    endpoint: Running, mxnet_python: Path, shared: Path
) -> None:
    files = [shared / "pictures" / "seed" / name for name in ("messi.jpg", "street_small.jpg")]
    for short in (
        224,
        SIZE,
    ):  # other sizes can differ by a grey level in one pixel of ten thousand, enough to swap twins
        for file, theirs in zip(files, stock(mxnet_python, files, short), strict=True):
            assert_same_boxes(endpoint.detect(file.read_bytes(), short), theirs, score=2e-3)
