"""`detect-gateway serve`: the embedded endpoint, the workers, and the welcome."""

import math
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from tempfile import TemporaryDirectory
from types import FrameType

import uvicorn
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from api import logs
from api.app import create_app
from api.endpoint import connect
from api.errors import InvalidSetting
from api.local import embedded_endpoint
from api.loopback import answers
from api.metrics import SHARED_FOLDER
from api.protocol import Protocol
from api.settings import Settings

IN_MEMORY = "/dev/shm"  # writable where a container's root is not
STARTING = 30  # seconds that a worker may take to start when all are restarted
LINGER = 3  # seconds beyond upload and deadline that a stop waits for connections to end


def serve(settings: Settings, console: Console) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is in flight and stop the child too.

    Raises InvalidSetting, and EndpointUnavailable where no endpoint can be asked.
    """
    for backend in settings.backends.values():
        backend.on_disk()  # a model that nobody describes stops the start before anything runs
    if settings.open_to_all:
        raise InvalidSetting(f"{settings.host} is a public address: set DETECT_API_KEYS, or say --no-auth.")
    logs.configure(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        hang_up = HangUp()
        if settings.model_dirs and not settings.embedded_url:
            embedded = stack.enter_context(embedded_endpoint(settings.model_dirs))
            settings, hang_up.reload = _pointed_at(settings, embedded.url), embedded.reload
        config = _configure(settings)
        if settings.workers > 1:
            folder = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
            os.environ[SHARED_FOLDER] = stack.enter_context(TemporaryDirectory(prefix="detect-metrics-", dir=folder))
        listening = listen(config)
        threading.Thread(target=_welcome, args=(listening, console), daemon=True).start()
        _run(config, listening, hang_up)


def _pointed_at(settings: Settings, url: str) -> Settings:
    """The settings with the embedded endpoint's address, for the workers too; what the models are called stays."""
    os.environ["DETECT_EMBEDDED_URL"] = url
    if not settings.endpoints:
        os.environ["DETECT_MODEL_NAME"] = next(iter(settings.backends))
    return settings.model_copy(update={"embedded_url": url})


class HangUp:
    """What SIGHUP means: load the model directories again; from a terminal that is gone, the end."""

    def __init__(self) -> None:
        self.reload: Callable[[], None] = lambda: None
        self._terminal = os.isatty(0)

    @property
    def is_the_end(self) -> bool:
        """Whether there was a terminal, and is none any more."""
        return self._terminal and not os.isatty(0)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Do so."""
        if self.is_the_end:
            signal.raise_signal(signal.SIGTERM)
        else:
            self.reload()


class Workers(Multiprocess):
    """uvicorn's supervisor; SIGHUP reloads the models too."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket], hang_up: HangUp) -> None:
        super().__init__(config, sockets)
        self._hang_up = hang_up

    def handle_hup(self) -> None:
        """Then restart the workers one after the other, each given time to start beside others at full load."""
        if self._hang_up.is_the_end:
            return self.handle_term()
        self._hang_up.reload()
        usual, self.config.timeout_worker_healthcheck = self.config.timeout_worker_healthcheck, STARTING
        super().handle_hup()
        self.config.timeout_worker_healthcheck = usual
        return None


def _configure(settings: Settings) -> uvicorn.Config:
    """What is wrong with the settings stops the start here, and not in a worker."""
    app = create_app(settings, connect(settings))
    return uvicorn.Config(
        app if settings.workers == 1 else "api.app:from_environment",
        factory=settings.workers > 1,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        root_path=settings.root_path,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # create_app trusts the proxies that the settings name, and no others
        timeout_graceful_shutdown=math.ceil(settings.upload_seconds + settings.deadline_seconds) + LINGER,
    )


def listen(config: uvicorn.Config) -> socket.socket:
    """A socket whose connections send at once: uvicorn's does not say that it is TCP, so asyncio leaves that out."""
    listening = config.bind_socket()
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def _run(config: uvicorn.Config, listening: socket.socket, hang_up: HangUp) -> None:
    try:
        if config.workers > 1:
            Workers(config, [listening], hang_up).run()
        else:
            signal.signal(signal.SIGHUP, hang_up)
            uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        pass  # uvicorn has stopped in good order and passes the signal on
    finally:
        listening.close()


def _welcome(listening: socket.socket, console: Console) -> None:
    """Say where everything is, once it is true."""
    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    while not answers(url, "/health/ready"):
        time.sleep(0.1)
    console.print(
        f"\nDetect Gateway is ready.\n"
        f"  Try-it page   {url}/\n"
        f"  Swagger UI    {url}/docs\n"
        f"  Health check  {url}/health\n"
        f"  A picture     curl -F image=@docs/pictures/grace_hopper.jpg {url}/detect\n",
        highlight=False,
        soft_wrap=True,
    )
