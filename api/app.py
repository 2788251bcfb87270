"""The wiring: `create_app(settings, endpoint)`. Nothing happens at import."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline

from api import routes
from api.detect import Detector
from api.endpoint import Endpoint, connect
from api.errors import install_handlers
from api.guard import RequestId, Uploads
from api.settings import Settings

SUMMARY = "Post a picture, get the boxes of what is in it, in the coordinates of the picture sent."


def create_app(settings: Settings, endpoint: Endpoint) -> FastAPI:
    """The gateway as an ASGI application that asks this endpoint."""
    detector = Detector(settings, endpoint)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        detector.close()

    app: FastAPI = FastAPIOffline(
        title="Detect Gateway",
        summary=SUMMARY,
        version=version("detect-gateway"),
        root_path=settings.root_path,
        lifespan=lifespan,
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    app.state.settings, app.state.detector, app.state.started = settings, detector, time.monotonic()
    app.add_middleware(
        Uploads,
        max_bytes=settings.max_body_bytes,
        seconds=settings.upload_seconds,
        held_bytes=settings.held_bytes,
    )
    app.add_middleware(RequestId)
    install_handlers(app)
    app.include_router(routes.router)
    app.mount("/page", StaticFiles(directory=routes.PAGE), name="page")
    return app


def from_environment() -> FastAPI:
    """What a worker process runs: settings and endpoint from the environment; it ends with its supervisor."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    settings = Settings()
    return create_app(settings, connect(settings))


def _end_with_parent() -> None:
    """A supervisor that is killed outright tells nobody."""
    if parent := multiprocessing.parent_process():
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
