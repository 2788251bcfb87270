"""The gateway and its peers as processes, in front of one stand-in endpoint, and what they use."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import psutil
import uvloop

from tests.api.processes import COMMAND
from tests.bench.traffic import Asked, Traffic, form
from tests.conftest import ROOT
from tests.example_images import HOPPER

START_SECONDS, STOP_SECONDS = 60, 15
IMAGE = form(HOPPER.read_bytes())
GATEWAY, PLAIN, LITSERVE, BENTOML = "gateway", "FastAPI + boto3", "LitServe", "BentoML"
PEERS = ROOT / ".venv-peers" / "bin"
PROGRAMS: Mapping[str, Callable[[str], list[str]]] = {  # by name, given the port
    GATEWAY: lambda port: [COMMAND, "serve", "--port", port],
    PLAIN: lambda port: [f"{PEERS}/uvicorn", "tests.bench.peers.fastapi_boto3:app", "--port", port],
    LITSERVE: lambda port: [f"{PEERS}/python", "-m", "tests.bench.peers.lit_serve", port],
    BENTOML: lambda port: [
        f"{PEERS}/bentoml",
        "serve",
        "tests.bench.peers.bento_ml:Detector",
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ],
}


@dataclass(frozen=True)
class Subject:
    """A running gateway or peer: its URL, and what its processes use together."""

    name: str
    url: str
    process: subprocess.Popen[bytes]

    def tree(self) -> list[psutil.Process]:
        """All its processes."""
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def cpu_seconds(self) -> float:
        """Processor time so far, that of children included which have ended."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:4])
        return total

    def megabytes(self) -> float:
        """Resident memory; pages that processes share count in each."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss / 2**20
        return total

    async def answer(self) -> Asked:
        """What one image is answered."""
        traffic = Traffic(self.url)
        try:
            return await traffic.ask(IMAGE)
        finally:
            traffic.close()


@contextmanager
def endpoint() -> Iterator[str]:
    """The stand-in for SageMaker; its URL."""
    command = [sys.executable, "-m", "tests.bench.peers.endpoint"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def running(endpoint: str, milliseconds: int, *options: str, name: str = GATEWAY) -> Iterator[Subject]:
    """The gateway or a peer, once it answers, in front of the endpoint that takes so long."""
    with started(endpoint, milliseconds, name, options) as (subject, log):
        wait_for_an_answer(subject, log)
        yield subject


@contextmanager
def all_running(endpoint: str, milliseconds: int) -> Iterator[list[Subject]]:
    """The gateway and every peer."""
    with ExitStack() as stack:
        starting = [stack.enter_context(started(endpoint, milliseconds, name)) for name in PROGRAMS]
        for subject, log in starting:
            wait_for_an_answer(subject, log)
        yield [subject for subject, _ in starting]


@contextmanager
def started(
    endpoint: str, milliseconds: int, name: str, options: Iterable[str] = ()
) -> Iterator[tuple[Subject, IO[bytes]]]:
    """A process that may not answer yet, and what it writes."""
    port = free_port()
    command = [*PROGRAMS[name](port), *options]
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as log:
        variables = environment(endpoint, f"{milliseconds}ms", home)
        process = subprocess.Popen(command, env=variables, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Subject(name, f"http://127.0.0.1:{port}", process), log
        finally:
            stop(process)


def free_port() -> str:
    """A port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return str(listening.getsockname()[1])


def environment(endpoint: str, name: str, home: str) -> dict[str, str]:
    """Variables for all of them; settings of the gateway's that others set are left out."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("DETECT_")}
    return {
        **inherited,
        "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": endpoint,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "DETECT_ENDPOINT_NAME": name,
        "ENDPOINT_NAME": name,
        "BENTOML_HOME": home,
        "BENTOML_DO_NOT_TRACK": "True",
    }


def wait_for_an_answer(subject: Subject, log: IO[bytes]) -> None:
    """Return when an image is answered. Raises RuntimeError with what the process wrote where none is."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and subject.process.poll() is None:
        with suppress(OSError):
            if uvloop.run(subject.answer()).status == 200:
                return
        time.sleep(0.2)
    log.seek(0)
    raise RuntimeError(f"{subject.name} does not answer: {log.read().decode()[-2000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    """End it, and whatever it leaves behind."""
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
