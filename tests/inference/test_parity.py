"""The same weights give the same boxes on every engine, and the same as stock GluonCV."""

from pathlib import Path

import pytest
from PIL import Image

from tests.inference.example_requests import drawn_image, encoded
from tests.inference.same_boxes import SEEN, SIZE, assert_same_boxes, rows, seen_by_one, stock
from tests.inference.server_process import ServerProcess


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
    """Images that need no data: three drawn ones, one grey, one blank."""
    folder = tmp_path_factory.mktemp("drawn")
    images = [drawn_image(seed, SIZE, SIZE) for seed in (1, 2, 3)]
    images += [drawn_image(4, SIZE, SIZE).convert("L"), Image.new("RGB", (SIZE, SIZE), "white")]
    for number, image in enumerate(images):
        (folder / f"{number}.png").write_bytes(encoded(image))
    return sorted(folder.iterdir())


def test_both_engines_see_the_same_in_drawn_images(
    endpoint: ServerProcess, mxnet_endpoint: ServerProcess, drawn: list[Path]
) -> None:
    for file in drawn:
        assert_same_boxes(endpoint.detect(file.read_bytes(), SIZE), mxnet_endpoint.detect(file.read_bytes(), SIZE))


def test_the_drawn_images_show_the_detector_something(endpoint: ServerProcess, drawn: list[Path]) -> None:
    assert any(rows(endpoint.detect(file.read_bytes(), SIZE), SEEN) for file in drawn)


def test_the_engines_see_in_drawn_images_what_stock_gluoncv_sees(
    endpoint: ServerProcess, mxnet_python: Path, drawn: list[Path]
) -> None:
    for file, theirs in zip(drawn, stock(mxnet_python, drawn, SIZE), strict=True):
        assert_same_boxes(endpoint.detect(file.read_bytes(), SIZE), theirs)


def test_all_three_see_the_same_in_every_photograph(
    endpoint: ServerProcess, mxnet_endpoint: ServerProcess, mxnet_python: Path, canvases: list[Path]
) -> None:
    seen, alone = 0, []
    for file, theirs in zip(canvases, stock(mxnet_python, canvases, SIZE), strict=True):
        assert_same_boxes(mxnet_endpoint.detect(file.read_bytes(), SIZE), theirs)
        alone += seen_by_one(endpoint.detect(file.read_bytes(), SIZE), theirs)
        seen += len(rows(theirs, SEEN))
    assert len(alone) <= seen / 200, alone  # of two boxes that score alike and overlap, rounding decides which one goes


def test_a_photograph_resized_by_the_endpoint_gives_what_stock_gluoncv_gives(
    endpoint: ServerProcess, mxnet_python: Path, shared: Path
) -> None:
    files = [shared / "pictures" / "seed" / name for name in ("messi.jpg", "street_small.jpg")]
    for short in (
        224,
        SIZE,
    ):  # other sizes can differ by a grey level in one pixel of ten thousand, enough to swap twins
        for file, theirs in zip(files, stock(mxnet_python, files, short), strict=True):
            assert_same_boxes(endpoint.detect(file.read_bytes(), short), theirs, score=2e-3)
