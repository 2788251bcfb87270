"""ASGI middleware: several `X-Forwarded-For` lines become one list (RFC 9110, 5.3) for the layers behind it."""

from starlette.types import ASGIApp, Receive, Scope, Send

NAME = b"x-forwarded-for"


class ForwardedFor:
    """Joins them in their order; what a client has written itself stays before what proxies have added."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            values = [value for name, value in scope["headers"] if name == NAME]
            if len(values) > 1:
                others = [(name, value) for name, value in scope["headers"] if name != NAME]
                scope = {**scope, "headers": [*others, (NAME, b", ".join(values))]}
        await self.app(scope, receive, send)
