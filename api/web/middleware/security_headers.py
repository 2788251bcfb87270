"""Security headers on every answer, and on every page a policy that runs that page's own scripts alone."""

import base64
import hashlib
import re
from collections.abc import Iterator

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(self), geolocation=(), microphone=()"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
PAGE = (
    "default-src 'none'; script-src 'self'{scripts}; style-src 'self'{styles}; img-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
INLINE_SCRIPT = re.compile(rb"<script(?![^>]*\bsrc=)[^>]*>(.*?)</script>", re.DOTALL)
# Swagger UI and ReDoc write style elements as they go; no hash of them can be known beforehand.
WRITES_STYLES = ("/docs", "/redoc")


class SecurityHeaders:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        return await self.app(scope, receive, _GuardedResponse(scope, send))


class _GuardedResponse:
    """One request's `send`: a page's start is held until its scripts are known."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope, self._send = scope, send
        self.held: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            present = dict(headers)
            headers += [(name, value) for name, value in self._ours() if name not in present]
            if present.get(b"content-type", b"").startswith(b"text/html"):
                self.held = message
                return
        elif self.held is not None:
            policy = page_policy(message.get("body", b""), self.scope["path"].endswith(WRITES_STYLES))
            MutableHeaders(scope=self.held)["Content-Security-Policy"] = policy
            await self._send(self.held)
            self.held = None
        await self._send(message)

    def _ours(self) -> Iterator[tuple[bytes, bytes]]:
        yield from ALWAYS
        yield b"cache-control", b"no-store" if self.scope["method"] == "POST" else b"no-cache"
        if self.scope.get("scheme") == "https":
            yield b"strict-transport-security", b"max-age=31536000"


def page_policy(page: bytes, writes_styles: bool) -> str:
    """The Content-Security-Policy of one page: files from here, and the scripts that stand in it, by their hashes."""
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in INLINE_SCRIPT.findall(page))
    scripts = "".join(f" 'sha256-{digest}'" for digest in digests)
    return PAGE.format(scripts=scripts, styles=" 'unsafe-inline'" if writes_styles else "")
