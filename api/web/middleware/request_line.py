"""Request lines that mean the same are answered the same: the path's slashes, the absolute form, HEAD as GET."""

import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)  # RFC 9112, 3.2.2
SLASHES = re.compile(r"/{2,}")


class RequestLine:
    """ASGI middleware, around all that looks at the path. The server leaves out the body of an answer to HEAD."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        root = scope.get("root_path", "")
        scope["path"] = root + plain(scope["path"].removeprefix(root))
        if scope["method"] != "HEAD":
            return await self.app(scope, receive, send)

        async def restored(message: Message) -> None:
            scope["method"] = "HEAD"
            await send(message)

        scope["method"] = "GET"
        return await self.app(scope, receive, restored)


def plain(path: str) -> str:
    """The path alone, without a host, repeated slashes and one at its end."""
    return "/" + SLASHES.sub("/", ABSOLUTE.sub("", path, count=1) if ABSOLUTE.match(path) else path).strip("/")
