"""Memory under a crowd: the short form of tests/bench/memory.py, with what weighs most, and in batches."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from tests.bench.memory import MOST_MEGABYTES, crowd, watched
from tests.bench.serving import served
from tests.bench.traffic import batch, post
from tests.example_images import encoded

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured on Linux")


def test_64_clients_posting_40_megapixels_leave_the_gateway_under_a_gigabyte() -> None:
    image = Image.new("RGB", (8000, 5000), "olive")
    asked = [post(encoded(image, "WEBP", method=0)), post(encoded(image, "PNG", compress_level=1))]
    with served(DETECT_DEADLINE_SECONDS="60") as gateway:
        assert asyncio.run(crowd(gateway, asked, clients=64, seconds=1))


def test_batches_of_16_large_images_leave_the_gateway_under_a_gigabyte() -> None:
    file = encoded(Image.new("RGB", (5000, 4000), "olive"), "PNG", compress_level=1)
    with served() as gateway:
        peak, seen = asyncio.run(watched(gateway, [batch([file] * 16)], clients=6, seconds=1))
    assert peak < MOST_MEGABYTES
    assert seen.keys() <= {200, 429}
    assert 200 in seen
