"""Memory under a crowd: the short form of tests/bench/memory.py, with what weighs most."""

import asyncio
from pathlib import Path

import pytest
from PIL import Image

from tests.bench.memory import crowd
from tests.bench.serving import served
from tests.bench.traffic import post
from tests.pictures import encoded


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measured on Linux")
def test_64_clients_posting_40_megapixels_leave_the_gateway_under_a_gigabyte() -> None:
    image = Image.new("RGB", (8000, 5000), "olive")
    asked = [post(encoded(image, "WEBP", method=0)), post(encoded(image, "PNG", compress_level=1))]
    with served(DETECT_DEADLINE_SECONDS="60") as gateway:
        assert asyncio.run(crowd(gateway, asked, clients=64, seconds=1))
