"""A gateway inside this process, with its embedded endpoint where none is configured."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from api.endpoint.embedded_process import with_embedded
from api.settings import Settings

OPEN = {"api_keys": (), "rate_per_key": None, "rate_per_address": None}  # for ourselves


@asynccontextmanager
async def gateway_here(settings: Settings) -> AsyncIterator[httpx2.ASGITransport]:
    """The way to it for a client. Raises InvalidSetting and EndpointUnavailable."""
    with with_embedded(settings.model_copy(update=OPEN)) as (settings, _):
        from api.app import create_app  # half a second, in which the endpoint loads its model
        from api.endpoint.sagemaker import connect

        app = create_app(settings, connect(settings))
        try:
            yield httpx2.ASGITransport(app)
        finally:
            await app.state.models.close()
