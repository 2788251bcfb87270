"""`detect-gateway serve`: the embedded endpoint, the workers, and the welcome."""

import math
import os
import socket
import threading
import time
from contextlib import ExitStack
from tempfile import TemporaryDirectory

import uvicorn
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from api import logs
from api.app import create_app
from api.endpoint import answers, connect
from api.errors import InvalidSetting
from api.local import embedded_endpoint
from api.metrics import SHARED_FOLDER
from api.protocol import Protocol
from api.settings import Settings

IN_MEMORY = "/dev/shm"  # writable where a container's root is not
LINGER = 3  # seconds beyond upload and deadline that a stop waits for connections to end


def serve(settings: Settings, console: Console) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is in flight and stop the child too.

    Raises InvalidSetting, and EndpointUnavailable where no endpoint can be asked.
    """
    _ = settings.model  # a model that nobody describes stops the start before anything runs
    if settings.open_to_all:
        raise InvalidSetting(f"{settings.host} is a public address: set DETECT_API_KEYS, or say --no-auth.")
    logs.configure(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        if not settings.endpoint_name and not settings.embedded_url:
            url = stack.enter_context(embedded_endpoint(settings.model_dir))
            os.environ["DETECT_EMBEDDED_URL"] = url  # for the workers
            settings = settings.model_copy(update={"embedded_url": url})
        config = _configure(settings)
        if settings.workers > 1:
            folder = IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None
            os.environ[SHARED_FOLDER] = stack.enter_context(TemporaryDirectory(prefix="detect-metrics-", dir=folder))
        listening = listen(config)
        threading.Thread(target=_welcome, args=(listening, console), daemon=True).start()
        _run(config, listening)


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


def _run(config: uvicorn.Config, listening: socket.socket) -> None:
    try:
        if config.workers > 1:
            Multiprocess(config, sockets=[listening]).run()
        else:
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
