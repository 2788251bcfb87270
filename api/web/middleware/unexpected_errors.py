"""ASGI middleware: an unexpected exception becomes a problem too, with the headers of every response."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import Internal
from api.web.problems import problem_response


class UnexpectedErrors:
    """Stands inside the other middleware; Starlette's own place for this is outside of it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if begun:
                raise
            bug = Internal("This is a fault of ours, logged under the request's id.")
            bug.__cause__ = error
            await problem_response(Request(scope), bug)(scope, receive, send)
