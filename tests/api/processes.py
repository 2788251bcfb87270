"""Real processes of the gateway, and what the system tells of them."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import psutil

from tests.conftest import ROOT
from tests.seed_endpoint import SeedEndpoint

COMMAND = str(Path(sys.executable).with_name("detect-gateway"))
SERVE = [COMMAND, "serve", "--port", "0"]


class Served:
    """A running `detect-gateway serve`, once it has said that it is ready."""

    def __init__(self, *options: str, stdin: int | None = None) -> None:
        command = [*SERVE, *options]
        self.process = subprocess.Popen(command, stdin=stdin, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stdout is not None
        self.welcome = ""
        while "curl" not in self.welcome:
            line = self.process.stdout.readline()
            assert line, "it ended before it was ready"
            self.welcome += line
        self.url = re.findall(r"http://\S+?(?=/docs)", self.welcome)[0]
        self.client = httpx2.Client(base_url=self.url, timeout=30)

    def child(self) -> int:
        """The process id of the embedded endpoint."""
        return next(pid for pid in children(self.process.pid) if b"inference.server" in command_line(pid))

    def end(self) -> None:
        self.client.close()
        self.process.terminate()
        self.process.communicate(timeout=20)


def children(pid: int | None = None) -> list[int]:
    """The processes that this one (None: our own) has started."""
    with suppress(psutil.NoSuchProcess):
        return [child.pid for child in psutil.Process(pid).children()]
    return []


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    return b"inference.server" in command_line(pid)


def resident_megabytes(pid: int) -> float:
    return int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1024


class Running:
    """A `detect-gateway serve` in front of the seed endpoint; its log lines as they come."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process, self.url = process, url
        self.client = httpx2.Client(base_url=url, timeout=30)
        self._others: list[httpx2.Client] = []
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines += self.process.stderr

    def another(self) -> httpx2.Client:
        """A client with a connection of its own, which any of the workers may take."""
        self._others.append(httpx2.Client(base_url=self.url, timeout=30))
        return self._others[-1]

    def end(self) -> list[str]:
        for client in (self.client, *self._others):
            client.close()
        self.process.terminate()
        self.process.wait(30)
        self._reader.join(10)
        return self.lines

    def requests(self) -> list[dict[str, Any]]:
        """The log's request lines, once the process has ended."""
        return [entry for entry in map(json.loads, self.end()) if entry["message"] == "request"]


def workers_of(pid: int) -> list[int]:
    return [child for child in children(pid) if b"spawn_main" in command_line(child)]


@contextmanager
def running(endpoint: SeedEndpoint, *options: str, **environment: str) -> Iterator[Running]:
    variables = {
        **os.environ,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "DETECT_ENDPOINT_NAME": "seed",
        "DETECT_LOG_FORMAT": "json",
        "DETECT_DRAIN_SECONDS": "0",
        **environment,
    }
    command = [*SERVE, *options]
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(re.findall(r"http://\S+?(?=/docs)", line)[0] for line in process.stdout if "/docs" in line)
        serving = Running(process, url)
        try:
            yield serving
        finally:
            serving.end()


def run(*arguments: object, check: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    command, environment = [COMMAND, *map(str, arguments)], {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=check, env=environment)
