"""`detect-gateway serve`: the embedded endpoint, the workers, and the welcome."""

import http.client
import os
import socket
import threading
import time
from contextlib import ExitStack

import uvicorn
from rich.console import Console
from uvicorn.supervisors import Multiprocess

from api.local import embedded_endpoint
from api.settings import Settings


def serve(settings: Settings, console: Console) -> None:
    """Serve until SIGINT or SIGTERM; then finish what is in flight and stop the child too.

    Raises EndpointUnavailable where the embedded endpoint cannot start.
    """
    with ExitStack() as stack:
        if not settings.endpoint_name and not settings.embedded_url:
            os.environ["DETECT_EMBEDDED_URL"] = stack.enter_context(embedded_endpoint(settings.model_dir))
        config = uvicorn.Config(
            "api.app:from_environment",
            factory=True,
            host=settings.host,
            port=settings.port,
            workers=settings.workers,
            log_level=settings.log_level,
            root_path=settings.root_path,
        )
        listening = config.bind_socket()
        threading.Thread(target=_welcome, args=(listening, console), daemon=True).start()
        _run(config, listening)


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
    while not _ready(host, port):
        time.sleep(0.1)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    console.print(
        f"\nDetect Gateway is ready.\n"
        f"  Try-it page   {url}/\n"
        f"  Swagger UI    {url}/docs\n"
        f"  Health check  {url}/health\n"
        f"  A picture     curl -F image=@docs/pictures/grace_hopper.jpg {url}/detect\n",
        highlight=False,
        soft_wrap=True,
    )


def _ready(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/health/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
