"""The wiring: `create_app(settings, endpoints)`. Nothing happens at import."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import batch, deepstack, routes
from api.access import Access, Bugs
from api.answers import Answers
from api.door import Door
from api.endpoint import Endpoint, connect
from api.errors import install_handlers
from api.guard import Uploads
from api.headers import SecurityHeaders
from api.keys import Keys
from api.load import Held, give_memory_back
from api.logs import configure
from api.metrics import Metrics
from api.models import Models
from api.rates import Rates
from api.settings import Settings
from api.stopping import stop_softly, stop_with_parent
from api.traces import instrument

SUMMARY = "Post a picture, get the boxes of what is in it, in the coordinates of the picture sent."

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "POST"],
    "allow_headers": ["Authorization", "Content-Type", "X-API-Key", "X-Request-ID"],
    "expose_headers": ["Retry-After", "Server-Timing", "X-Request-ID"],
}


def create_app(settings: Settings, endpoints: Mapping[str, Endpoint]) -> FastAPI:
    """The gateway as an ASGI application that asks these endpoints, one for each model. Raises InvalidSetting."""
    metrics = Metrics()
    app: FastAPI = FastAPIOffline(
        title="Detect Gateway",
        summary=SUMMARY,
        version=version("detect-gateway"),
        lifespan=_lifespan,
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    app.state.settings, app.state.metrics = settings, metrics
    app.state.models = Models(settings, endpoints, metrics)
    app.state.started, app.state.stopping = time.monotonic(), False
    app.state.door = Door(Keys(settings.api_keys), _rates(settings))
    _surround(app, settings, metrics)
    install_handlers(app)
    app.include_router(routes.router)
    app.include_router(deepstack.router)
    app.mount("/page", StaticFiles(directory=routes.PAGE), name="page")
    app.state.end_traces = instrument(app) if settings.traces else lambda: None
    return app


def from_environment() -> FastAPI:
    """What a worker process runs: settings and endpoints from the environment; it ends with its supervisor."""
    settings = Settings()
    configure(settings.log_format, settings.log_level)
    stop_with_parent()
    return create_app(settings, connect(settings))


def _surround(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """The middleware, the innermost first."""
    held = Held(settings.held_bytes, metrics.held.set)
    app.add_middleware(Bugs)
    app.add_middleware(Answers, held=held)
    app.add_middleware(
        Uploads,
        max_bytes=settings.max_body_bytes,
        wider={batch.PATH: settings.max_batch_bytes},
        seconds=settings.upload_seconds,
        held=held,
    )
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Access, metrics=metrics)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))


def _rates(settings: Settings) -> Rates:
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    return Rates(settings.rate_per_key, settings.rate_per_address, redis)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    give_memory_back()
    stop_softly(app, app.state.settings.drain_seconds)
    yield
    app.state.models.close()
    app.state.end_traces()
