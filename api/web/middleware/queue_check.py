"""ASGI middleware: a request that would wait too long is rejected before anything is done for it."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import Overloaded
from api.web.authentication import network_of_client
from api.web.problems import problem_response


class QueueCheck:
    """Asks `check` for the address that posts an image, which is to all paths but those spared.

    The routes ask again, when they know more.
    """

    def __init__(self, app: ASGIApp, spared: tuple[str, ...], check: Callable[[str], None]) -> None:
        self.app, self.spared, self.check = app, spared, check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST" and not scope["path"].endswith(self.spared):
            try:
                self.check(network_of_client(scope))
            except Overloaded as error:
                return await problem_response(Request(scope), error)(scope, receive, send)
        return await self.app(scope, receive, send)
