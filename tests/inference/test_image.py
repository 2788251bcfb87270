"""Images: decoded as stored, resized as GluonCV does."""

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import resizing
from errors import BadImage
from image import decode
from inference import HOOKS
from tests.inference.bad_requests import JSON, bad_requests
from tests.inference.example_requests import drawn_image, encoded


@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "RGBA", "LA"])
def test_every_8_bit_png_becomes_rgb(mode: str) -> None:
    image = drawn_image(1, 40, 30).convert(mode)
    assert np.array_equal(decode(encoded(image)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 100, "subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_8_bit_jpeg_becomes_rgb(mode: str, options: dict[str, object]) -> None:
    file = encoded(drawn_image(1, 40, 30).convert(mode), "JPEG", **options)
    assert np.array_equal(decode(file), np.asarray(Image.open(io.BytesIO(file)).convert("RGB")))


def test_bytes_after_the_end_of_a_jpeg_do_no_harm() -> None:
    file = encoded(drawn_image(1), "JPEG")
    assert np.array_equal(decode(file + b"maker's note"), decode(file))


def test_the_thumbnails_end_is_not_taken_for_the_images_own() -> None:
    exif = Image.Exif()
    exif[0x9286] = encoded(drawn_image(1, 16, 16), "JPEG")  # a whole JPEG inside the header
    file = encoded(drawn_image(1), "JPEG", exif=exif)
    with pytest.raises(BadImage, match="truncated"):
        decode(file[: len(file) * 2 // 3])


def test_a_canvas_of_the_models_size_is_untouched() -> None:
    pixels = np.asarray(drawn_image(1, 300, 300))
    assert resizing.shorten(pixels, 300) is pixels


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 4096))
def test_short_is_the_shorter_side_unless_the_longer_would_pass_1024(width: int, height: int, short: int) -> None:
    new_height, new_width = resizing.shortened(height, width, short)
    assert 1 <= min(new_height, new_width) <= short
    assert max(new_height, new_width) <= max(resizing.MAX_LONGER_SIDE, 1)
    if short * max(height, width) <= resizing.MAX_LONGER_SIDE * min(height, width):
        assert min(new_height, new_width) == short


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 60), st.integers(1, 60), st.integers(0, 255))
def test_a_plain_image_stays_plain(height: int, width: int, new_height: int, new_width: int, level: int) -> None:
    resized = resizing.resize(np.full((height, width, 3), level, np.uint8), new_height, new_width)
    assert resized.shape == (new_height, new_width, 3)
    assert int(np.abs(resized.astype(int) - level).max()) <= 1


def test_decoding_and_resizing_give_mxnets_pixels(mxnet_python: Path, tmp_path: Path) -> None:
    """Pillow with our bicubic rule against MXNet's decoder with OpenCV's; and MXNet's decoder behind our checks."""
    file = tmp_path / "image.jpg"
    file.write_bytes(encoded(drawn_image(5, 390, 217), "JPEG"))
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[2]); sys.modules['PIL'] = None\n"
        "import mxnet, image\n"
        "whole = mxnet.image.imread(sys.argv[1])\n"
        "ours = image.decode(open(sys.argv[1], 'rb').read())\n"
        "small = mxnet.image.imresize(whole, 201, 112, interp=2)\n"
        "print(json.dumps([whole.asnumpy().tolist(), ours.tolist(), small.asnumpy().tolist()]))\n"
    )
    done = subprocess.run(
        [str(mxnet_python), "-W", "ignore", "-c", script, str(file), str(HOOKS)], stdout=subprocess.PIPE, check=True
    )
    whole, behind_our_checks, small = (np.array(pixels) for pixels in json.loads(done.stdout))
    pixels = decode(file.read_bytes())
    assert np.array_equal(pixels, whole)
    assert np.array_equal(behind_our_checks, whole)
    difference = np.abs(resizing.shorten(pixels, 112).astype(int) - small)
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.001


def test_mxnets_decoder_refuses_what_pillow_refuses(mxnet_python: Path) -> None:
    """The containers have no Pillow for certain; MXNet's decoder stands behind the same checks."""
    script = (
        "import sys, json; sys.path.insert(0, sys.argv[1]); sys.modules['PIL'] = None\n"
        "import inference\n"
        "for body in json.load(sys.stdin):\n"
        "    try: print('taken', inference.input_fn(body).shape)\n"
        "    except inference.codec.BadRequest.__base__ as refused: print(refused.status_code, refused)\n"
    )
    images = [bad for bad in bad_requests() if bad.status in (413, 422) and bad.content_type == JSON]
    done = subprocess.run(
        [str(mxnet_python), "-W", "ignore", "-c", script, str(HOOKS)],
        input=json.dumps([bad.body.decode() for bad in images]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers = done.stdout.splitlines()
    assert [int(answer.split()[0]) for answer in answers] == [bad.status for bad in images]
