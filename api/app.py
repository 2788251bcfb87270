"""The wiring: `create_app(settings, endpoints)`. Nothing happens at import."""

import gc
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

from api.admission.api_keys import ApiKeys
from api.admission.rate_limits import RateLimits
from api.admission.upload_bytes import UploadBytes
from api.endpoint.contract import Endpoint
from api.endpoint.s3 import S3
from api.endpoint.sagemaker import connect
from api.image.allocation import keep_freed_memory
from api.models import Models
from api.settings import Settings
from api.telemetry.logs import configure
from api.telemetry.metrics import Metrics
from api.telemetry.traces import instrument
from api.web import batch, routes
from api.web.authentication import Authentication
from api.web.dialects import deepstack, rekognition
from api.web.docs import install_docs
from api.web.middleware.access_log import AccessLog
from api.web.middleware.answer_limits import AnswerLimits
from api.web.middleware.forwarded_for import ForwardedFor
from api.web.middleware.queue_check import QueueCheck
from api.web.middleware.request_line import RequestLine
from api.web.middleware.security_headers import SecurityHeaders
from api.web.middleware.trusted_hosts import TrustedHosts
from api.web.middleware.unexpected_errors import UnexpectedErrors
from api.web.middleware.upload_limits import UploadLimits
from api.web.problems import install_handlers
from api.web.shutdown import stop_softly, stop_with_parent

SUMMARY = "Post an image, get the boxes of what is in it, in the coordinates of the image sent."

WITHOUT_IMAGES = ("/reload", "/vision/custom/list")  # what else may be posted than images

CORS: dict[str, Any] = {
    "allow_methods": ["GET", "HEAD", "POST"],
    "allow_headers": ["*"],  # tracing and SDKs add theirs; what is allowed depends on the origin alone
    "expose_headers": ["Retry-After", "Server-Timing", "X-Request-ID"],
}


def create_app(settings: Settings, endpoints: Mapping[str, Endpoint]) -> FastAPI:
    """The gateway as an ASGI application that asks these endpoints, one for each model. Raises InvalidSetting."""
    metrics = Metrics()
    app: FastAPI = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        title="Detect Gateway",
        summary=SUMMARY,
        version=version("detect-gateway"),
        lifespan=_lifespan,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # ours are in api/telemetry
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    app.state.settings, app.state.metrics = settings, metrics
    app.state.models = Models(settings, endpoints, metrics)
    app.state.s3 = S3(settings)
    app.state.started, app.state.stopping = time.monotonic(), False
    app.state.rate_limits = rates = _rate_limits(settings)
    app.state.authentication = Authentication(ApiKeys(settings.api_keys), rates, settings.cors_origins)
    _add_middleware(app, settings, metrics)
    install_handlers(app, (deepstack.DIALECT, rekognition.DIALECT))
    app.include_router(routes.router)
    app.include_router(deepstack.router)
    install_docs(app)
    app.include_router(rekognition.router)
    app.mount("/page", StaticFiles(directory=routes.PAGE), name="page")
    app.state.end_traces = instrument(app) if settings.traces else lambda: None
    return app


def from_environment() -> FastAPI:
    """What a worker process runs: settings and endpoints from the environment; it ends with its supervisor."""
    settings = Settings()
    configure(settings.log_format, settings.log_level)
    stop_with_parent()
    return create_app(settings, connect(settings))


def _add_middleware(app: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """The middleware, the innermost first."""
    held = UploadBytes(settings.held_bytes, metrics.held.set)
    app.add_middleware(UnexpectedErrors)
    app.add_middleware(AnswerLimits, held=held)
    if not settings.api_keys:  # with keys, the key says whose turn it is
        app.add_middleware(QueueCheck, spared=WITHOUT_IMAGES, check=app.state.models.check_queue)
    app.add_middleware(
        UploadLimits,
        max_bytes=settings.max_body_bytes,
        wider={batch.PATH: settings.max_batch_bytes},
        seconds=settings.upload_seconds,
        held=held,
    )
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, allow_origins=settings.cors_origins, **CORS)
    app.add_middleware(TrustedHosts, names=_host_names(settings))
    app.add_middleware(SecurityHeaders)
    app.add_middleware(AccessLog, metrics=metrics)
    app.add_middleware(RequestLine)
    if settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
        app.add_middleware(ForwardedFor)


def _host_names(settings: Settings) -> frozenset[str] | None:
    """The names that requests may be for; None where any may, since an API key is asked for."""
    if settings.api_keys and not settings.hosts:
        return None
    return frozenset(name.lower() for name in (*settings.hosts, settings.host))


def _rate_limits(settings: Settings) -> RateLimits:
    redis = settings.redis_url.get_secret_value() if settings.redis_url else None
    return RateLimits(settings.rate_per_key, settings.rate_per_address, redis)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    keep_freed_memory()
    gc.set_threshold(10_000)  # an answer leaves no reference cycles behind, so that there is next to nothing to find
    gc.freeze()  # what is here now stays: a full collection that walked through it too held everybody up for 0.1 s
    stop_softly(app, app.state.settings.drain_seconds)
    await app.state.models.start()
    yield
    await app.state.models.close()
    await app.state.rate_limits.close()
    app.state.s3.close()
    app.state.end_traces()
