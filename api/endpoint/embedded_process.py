"""The embedded endpoint: inference.server as a child process behind a private socket, restarted whenever it ends."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from api.errors import EndpointUnavailable
from api.settings import Settings

log = logging.getLogger(__name__)

IN_MEMORY = "/dev/shm"  # writable where a container's root is not
ENGINES = ("openvino", "mxnet")
NOT_INSTALLED = "No engine for an embedded endpoint is installed: pip install 'detect-gateway[local]', or name an \
endpoint with DETECT_ENDPOINT_NAME."
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0


@contextmanager
def embedded_endpoint(
    model_dirs: Mapping[str, Path], environment: Mapping[str, str] | None = None
) -> Iterator["EmbeddedProcess"]:
    """An endpoint that serves these model directories, by name, for as long as the context lasts.

    `environment` has its variables where ours do not name them.
    Its socket is in a folder that no other user may enter: other users can neither call nor replace it. A child
    that dies is started again; one that cannot even start raises EndpointUnavailable.
    """
    if not find_spec("inference") or not any(find_spec(engine) for engine in ENGINES):
        raise EndpointUnavailable(NOT_INSTALLED)
    with private_folder("detect-endpoint-") as folder:
        child = EmbeddedProcess(model_dirs, folder / "socket", environment or {})
        child.start()
        try:
            yield child
        finally:
            child.stop()


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A new folder for this user alone, in memory where there is such a place."""
    with TemporaryDirectory(prefix=prefix, dir=IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None) as folder:
        yield Path(folder)


@contextmanager
def with_embedded(settings: Settings) -> Iterator[tuple[Settings, "EmbeddedProcess | None"]]:
    """The settings with the socket of an embedded endpoint, for worker processes too, where they need one.

    What the models are called stays. Raises EndpointUnavailable.
    """
    if not settings.model_dirs or settings.embedded_socket:
        yield settings, None
        return
    logs = {"DETECT_LOG_FORMAT": settings.log_format, "DETECT_LOG_LEVEL": settings.log_level}
    with embedded_endpoint(settings.model_dirs, logs) as embedded:
        os.environ["DETECT_EMBEDDED_SOCKET"] = str(embedded.socket)
        if not settings.endpoints:
            os.environ["DETECT_MODEL_NAME"] = next(iter(settings.backends))
        yield settings.model_copy(update={"embedded_socket": embedded.socket}), embedded


class EmbeddedProcess:
    """The child process, and its socket. One model alone answers to any name."""

    def __init__(self, model_dirs: Mapping[str, Path], socket: Path, environment: Mapping[str, str]) -> None:
        alone = len(model_dirs) == 1
        self._served = [str(folder) if alone else f"{name}={folder}" for name, folder in model_dirs.items()]
        self.socket, self._environment = socket, {**environment, **os.environ}
        self._stopping = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start it, and again whenever it ends. Raises EndpointUnavailable."""
        self._spawn()
        threading.Thread(target=self._watch, name="embedded-endpoint", daemon=True).start()

    def reload(self) -> None:
        """Have it load its model directories again, each beside what it serves from there."""
        if self._process:
            self._process.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            _close(self._process)

    def _spawn(self) -> None:
        """Start the server and wait until it listens; its standard input tells it that we are gone."""
        server = [sys.executable, "-P", "-m", "inference.server"]
        command = [*server, "--unix-socket", str(self.socket), "--stop-with-parent"]
        self._process = subprocess.Popen(
            [*command, *(part for served in self._served for part in ("--model-dir", served))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self._environment,
            start_new_session=True,  # Ctrl-C is for us; we tell the child
        )
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line.startswith("listening on "):
            raise EndpointUnavailable("The embedded endpoint could not be started; its log above says why.")

    def _watch(self) -> None:
        pause = FIRST_PAUSE
        while self._process and not self._stopping.is_set():
            started = time.monotonic()
            status = self._process.wait()
            if self._stopping.is_set():
                return
            _close(self._process)
            pause = FIRST_PAUSE if time.monotonic() - started > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            fields = {"status": status, "restart_after_seconds": pause}
            log.error("The embedded endpoint ended and is restarted.", extra={"fields": fields})
            self._stopping.wait(pause)
            self._respawn()

    def _respawn(self) -> None:
        try:
            self._spawn()
        except (EndpointUnavailable, OSError) as error:
            log.error("%s", error)


def _close(process: subprocess.Popen[str]) -> None:
    for pipe in filter(None, (process.stdin, process.stdout)):
        pipe.close()
