"""A gateway inside this process, with its embedded endpoint where none is configured."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx2

from api.app import create_app
from api.endpoint import connect
from api.local import embedded_endpoint
from api.settings import Settings

OPEN = {"api_keys": (), "rate_per_key": None, "rate_per_address": None}  # for ourselves


@contextmanager
def gateway_here(settings: Settings) -> Iterator[httpx2.ASGITransport]:
    """The way to it for a client. Raises InvalidSetting and EndpointUnavailable."""
    with ExitStack() as stack:
        settings = settings.model_copy(update=OPEN)
        if settings.model_dirs:
            embedded = stack.enter_context(embedded_endpoint(settings.model_dirs))
            settings = settings.model_copy(update={"embedded_url": embedded.url})
        yield httpx2.ASGITransport(create_app(settings, connect(settings)))
