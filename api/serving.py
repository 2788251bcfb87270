"""`detect-gateway serve`: the embedded endpoint, the workers, and the welcome."""

import os
import socket
import threading
import time
from contextlib import ExitStack

import uvicorn
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from api.app import create_app
from api.endpoint import answers, connect
from api.local import embedded_endpoint
from api.settings import Settings


def serve(settings: Settings, console: Console) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is in flight and stop the child too.

    Raises InvalidSetting, and EndpointUnavailable where no endpoint can be asked.
    """
    _ = settings.model  # a model that nobody describes stops the start before anything runs
    with ExitStack() as stack:
        if not settings.endpoint_name and not settings.embedded_url:
            url = stack.enter_context(embedded_endpoint(settings.model_dir))
            os.environ["DETECT_EMBEDDED_URL"] = url  # for the workers
            settings = settings.model_copy(update={"embedded_url": url})
        config = _configure(settings)
        listening = config.bind_socket()
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
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        root_path=settings.root_path,
    )


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
