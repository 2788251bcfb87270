"""A real server in a real process, and its clients."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import httpx2
from botocore.config import Config

from tests.conftest import ROOT
from tests.inference.example_requests import request_of

Server = Callable[..., Any]  # the fixture `server`


@dataclass
class ServerProcess:
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

    def detect(self, image: bytes, short: int | None = None) -> dict[str, Any]:
        """Post an image and return the answer."""
        response = self.post(request_of(image, short))
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
def start_server(folder: Path, *options: str, python: Path = Path(sys.executable)) -> Iterator[ServerProcess]:
    """Start inference.server on a port that the system chooses; stop it afterwards."""
    log = folder / f"server-{time.monotonic_ns()}.log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python), "-m", "inference.server", "--port", "0", *options],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert process.stdout
            line = process.stdout.readline().strip()
            assert line.startswith("listening on http://"), log.read_text()
            yield ServerProcess(line.removeprefix("listening on "), process, log)
        finally:
            process.terminate()
            process.communicate(timeout=40)


def runtime(url: str) -> Any:
    """A boto3 client as any caller of SageMaker has it, but that it speaks to this server."""
    return boto3.client(
        "sagemaker-runtime",
        endpoint_url=url,
        region_name="eu-west-1",
        aws_access_key_id="none",
        aws_secret_access_key="none",
        config=Config(retries={"total_max_attempts": 1}),
    )
