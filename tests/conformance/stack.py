"""A serving stack of AWS's MXNet images: its `serve`, started as the container starts it, in a folder of its own."""

import io
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import httpx2

from deploy.artifact import pack
from deploy.targets import TARGETS
from inference import HOOKS
from tests.inference.server_process import ServerProcess
from tests.model_dirs import BUNDLED

HERE = Path(__file__).parent


class Stack(NamedTuple):
    """An environment that `scripts/conformance` has made."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


class Served(NamedTuple):
    """Our hooks on a stack, in a folder, running."""

    stack: Stack
    base: Path
    running: ServerProcess


def artifact(stack: Stack, base: Path) -> Path:
    """Unpack under BASE/model what is deployed: our hooks, and the bundled detector as this MXNet's symbol + params."""
    weights = base / "weights"
    weights.mkdir(parents=True)
    params = next(BUNDLED.glob("*.params"))
    export = [str(stack.python), "-W", "ignore", str(HERE / "symbol.py"), str(params), str(weights / "model")]
    subprocess.run(export, check=True, stdout=subprocess.DEVNULL)
    shutil.copy(BUNDLED / "model.json", weights)
    unpack(weights, base)
    (base / "model" / "code" / "gluoncv.py").write_text("raise ImportError('the images for accelerators have none')\n")
    return base


def unpack(weights: Path, base: Path) -> None:
    """Unpack under BASE/model what is deployed from a model directory."""
    with tarfile.open(fileobj=io.BytesIO(pack(TARGETS["mxnet"], weights, HOOKS).content)) as packed:
        packed.extractall(base / "model", filter="data")


def original(base: Path) -> Path:
    """Put the original's module and the bundled weights under BASE/model."""
    code = base / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").symlink_to(HERE / "original.py")
    (base / "model" / "model.params").symlink_to(next(BUNDLED.glob("*.params")))
    return base


@contextmanager
def serve(stack: Stack, base: Path) -> Iterator[ServerProcess]:
    """Run the stack's `serve` on BASE/model; afterwards end all that it has started."""
    work = base / f"work-{time.monotonic_ns()}"  # the toolkit leaves files in the working folder
    (work / "temp").mkdir(parents=True)
    port, log = free_port(), work / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(stack.folder / "bin" / "serve")],
            cwd=work,
            env=environment(stack, base, work, port),
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    try:
        yield ServerProcess(f"http://127.0.0.1:{port}", process, log)
    finally:
        end(process)


def end(process: "subprocess.Popen[str]") -> None:
    """Kill the stack and what it has started, since workers outlive a SIGTERM; do nothing the second time."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def environment(stack: Stack, base: Path, work: Path, port: int) -> dict[str, str]:
    return {
        "PATH": f"{stack.folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(work),
        "TEMP": str(work / "temp"),
        "TMPDIR": str(work / "temp"),
        "LC_ALL": "C.UTF-8",
        "SAGEMAKER_BASE_DIR": str(base),
        "SAGEMAKER_PROGRAM": "inference.py",
        "SAGEMAKER_BIND_TO_PORT": str(port),
        "SAGEMAKER_MODEL_SERVER_WORKERS": "1",
    }


def free_port() -> int:
    """A port that nobody listens on; the server takes none over 32,767, so the system cannot choose."""
    for port in range(20_000, 32_768):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("no port is free")


def wait_for_an_answer(running: ServerProcess, request: str) -> None:
    """Ask until a request is answered.

    /ping says 200 long before the model is loaded, and on a slow machine the oldest `serve` ends before its server.
    """
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            if running.post(request).status_code == 200:
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(running.log.read_text())
