"""`detect-gateway serve`: the embedded endpoint, the workers, and the welcome."""

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from api.cli.console import refuse_windows, settings_with
from api.errors import InvalidSetting

if TYPE_CHECKING:
    from api.settings import Settings


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 lets the system choose.")] = None,
    workers: Annotated[int | None, typer.Option(help="Gateway processes.")] = None,
    root_path: Annotated[str | None, typer.Option(help="Path prefix that a proxy in front strips.")] = None,
    no_auth: Annotated[bool | None, typer.Option("--no-auth", help="Serve a public address without API keys.")] = None,
) -> None:
    """Start the gateway. Without an endpoint in the settings, it starts its embedded one."""
    refuse_windows()
    settings = settings_with(host=host, port=port, workers=workers, root_path=root_path, no_auth=no_auth)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _serve(settings)


def _serve(settings: "Settings") -> None:
    """Serve until SIGINT or SIGTERM; then finish what is in flight and stop the child too.

    Raises InvalidSetting, and EndpointUnavailable where no endpoint can be asked.
    """
    # Half a second of imports that the other commands do not need.
    from api.endpoint.embedded_process import with_embedded
    from api.telemetry import logs
    from api.web import server

    for backend in settings.backends.values():
        backend.on_disk()  # a model without a description fails before anything starts
    if settings.open_to_all:
        raise InvalidSetting(
            f"{settings.host} is a public address: set DETECT_API_KEYS, or pass --no-auth to serve it without them."
        )
    logs.configure(settings.log_format, settings.log_level)
    with ExitStack() as stack:
        listening = stack.enter_context(server.listen(settings.host, settings.port))  # a port in use is said first
        settings, embedded = stack.enter_context(with_embedded(settings))
        from api.app import create_app  # as long again, in which the endpoint loads its model
        from api.endpoint.sagemaker import connect

        hang_up = server.HangUp(embedded.reload if embedded else lambda: None)
        if settings.workers > 1:
            stack.enter_context(_shared_metrics())
        app = create_app(settings, connect(settings))  # what is wrong with the settings stops the start here
        config = server.configured(app if settings.workers == 1 else "api.app:from_environment", settings)
        threading.Thread(target=_welcome, args=(settings, listening), daemon=True).start()
        server.run(config, listening, hang_up)


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """A folder in which all workers count."""
    from api.endpoint.embedded_process import private_folder
    from api.telemetry.metrics import SHARED_FOLDER

    with private_folder("detect-metrics-") as folder:
        os.environ[SHARED_FOLDER] = str(folder)
        yield


def _welcome(settings: "Settings", listening: socket.socket) -> None:
    """Say where everything is, once it is true."""
    from api.cli import banner
    from api.endpoint.loopback import answers

    host, port = listening.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    while not answers(url, "/health/ready"):
        time.sleep(0.1)
    banner.show(settings, url)
