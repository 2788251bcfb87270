"""A real server in a real process, and pictures to post to it."""

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import httpx2
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).parents[2]
INFERENCE = ROOT / "inference"
BUNDLED = INFERENCE / "models" / "person"
MXNET_PYTHON = ROOT / ".venv-mxnet" / "bin" / "python"


@dataclass
class Running:
    """A server that listens: its address, its process and the file that it logs to."""

    url: str
    process: subprocess.Popen[str]
    log: Path

    def ping(self) -> int:
        return httpx2.get(self.url + "/ping").status_code

    def post(
        self, body: bytes | str, path: str = "/invocations", headers: dict[str, str] | None = None
    ) -> httpx2.Response:
        """Post a body, as JSON unless the headers say otherwise."""
        content = body.encode() if isinstance(body, str) else body
        headers = {"content-type": "application/json"} if headers is None else headers
        return httpx2.post(self.url + path, content=content, headers=headers, timeout=60)

    def detect(self, picture: bytes, short: int | None = None) -> dict[str, Any]:
        """Post a picture and return the answer."""
        response = self.post(request_of(picture, short))
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while self.ping() != 200:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)


@contextmanager
def start_server(folder: Path, *options: str, python: Path = Path(sys.executable)) -> Iterator[Running]:
    """Start inference/server.py on a port that the system chooses; stop it afterwards."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), str(INFERENCE / "server.py"), "--port", "0", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout
            line = process.stdout.readline().strip()
            assert line.startswith("listening on http://"), log.read_text()
            yield Running(line.removeprefix("listening on "), process, log)
        finally:
            process.terminate()
            process.communicate(timeout=40)


def request_of(picture: bytes, short: int | None = None) -> str:
    """Return the request body for a picture."""
    request: dict[str, Any] = {"image": base64.b64encode(picture).decode()}
    return json.dumps(request if short is None else {**request, "short": short})


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def drawn_picture(seed: int, width: int = 300, height: int = 300) -> Image.Image:
    """Draw heads on bodies before soft noise: enough for a detector to see something in."""
    random = Random(seed)
    noise = Image.frombytes("RGB", (24, 24), random.randbytes(24 * 24 * 3))
    image = noise.resize((width, height), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(image)
    for _ in range(3):
        x, y, size = random.randrange(width), random.randrange(height // 2), random.randrange(20, 60)
        skin, cloth = ((random.randrange(90, 255), random.randrange(60, 200), random.randrange(200)) for _ in "ab")
        draw.rounded_rectangle((x - size, y + size, x + size, y + 4 * size), size // 2, fill=cloth)
        draw.ellipse((x - size // 2, y, x + size // 2, y + size), fill=skin)
    return image.filter(ImageFilter.GaussianBlur(1))
