"""A gateway on a real socket, in a thread of the test's own process."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import uvicorn

from api.app import create_app
from api.endpoint.sagemaker import connect
from api.settings import Settings
from api.web.http_protocol import HttpProtocol


@contextmanager
def gateway(**options: Any) -> Iterator[httpx2.Client]:
    """A client of a gateway with these settings, on a port that the system chose."""
    settings = Settings(_env_file=None, **options)
    config = uvicorn.Config(
        create_app(settings, connect(settings)),
        port=0,
        root_path=settings.root_path,
        http=HttpProtocol,
        proxy_headers=False,
        server_header=False,
        log_level="warning",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
