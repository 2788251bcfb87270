"""ASGI middleware: a request is for this gateway by a name that is its own, and by whom it seems to be."""

import ipaddress

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from api.errors import DetectError, MalformedUpload, UnknownHost
from api.web.problems import problem_response


class TrustedHosts:
    """Refuses host names that a page elsewhere may have led here (DNS rebinding); None lets any pass."""

    def __init__(self, app: ASGIApp, names: frozenset[str] | None) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (error := self._error(scope)):
            return await problem_response(Request(scope), error)(scope, receive, send)
        return await self.app(scope, receive, send)

    def _error(self, scope: Scope) -> DetectError | None:
        hosts = Headers(scope=scope).getlist("host")
        if len(hosts) > 1 or not (hosts or scope["http_version"] == "1.0"):  # RFC 9112, 3.2
            return MalformedUpload("The request needs one Host header.")
        if self.names is None or self._known("".join(hosts)):
            return None
        return UnknownHost("This host name is not allowed; DETECT_HOSTS lists the allowed ones.")

    def _known(self, host: str) -> bool:
        """A name without a dot, and an address, cannot be somebody else's."""
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        name = name.strip("[]").rstrip(".").lower()
        return name in (self.names or ()) or ("." not in name and ":" not in name) or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
