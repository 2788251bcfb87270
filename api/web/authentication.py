"""Who may send requests: an API key where keys are on, and rate limits."""

import ipaddress
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.types import Scope

from api.admission.api_keys import ApiKeys, Owner
from api.admission.rate_limits import RateLimits, network_of
from api.errors import Forbidden, Unauthenticated
from api.telemetry.request_record import record_of

BROWSERS_ALONE = ("origin", "sec-fetch-site")  # any page can run in this machine's browser
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


class Authentication:
    """Asked before a request's body is read."""

    def __init__(self, keys: ApiKeys, rates: RateLimits, origins: Collection[str] = ()) -> None:
        self._keys, self._rates, self._origins = keys, rates, origins

    async def admit(self, request: Request, key: str | None = None) -> None:
        """Let a caller in, by a key that came otherwise where there is one.

        Raises Unauthenticated, Forbidden, RateLimited.
        """
        await self._rates.count("address", network_of_client(request.scope))
        if owner := self._owner(request, key=key):
            await self._rates.count("key", owner.name)
        elif self._from_a_page_elsewhere(request):
            raise Forbidden("This origin is not allowed; DETECT_CORS_ORIGINS lists the allowed ones.")

    async def charge(self, request: Request, more: int) -> None:
        """Count what an admitted caller asks for beyond one image. Raises RateLimited."""
        if more:
            await self._rates.count("address", network_of_client(request.scope), more)
        if more and (name := record_of(request.scope).key):
            await self._rates.count("key", name, more)

    async def identify(self, request: Request) -> None:
        """Let a caller ask what costs nothing. Raises Unauthenticated, Forbidden, RateLimited."""
        await self._rates.count("address", network_of_client(request.scope))
        self._owner(request)

    async def administer(self, request: Request) -> None:
        """Let in who may change what runs: by an admin key or, where no keys are asked for, from this machine.

        Raises Unauthenticated, Forbidden, RateLimited.
        """
        await self._rates.count("address", network_of_client(request.scope))
        if owner := self._owner(request):
            if not owner.admin:
                raise Forbidden("An admin key is required; `detect-gateway key NAME --admin` makes one.")
        elif not _is_local(request) or any(name in request.headers for name in BROWSERS_ALONE):
            raise Forbidden(
                "Without API keys this is allowed only from the gateway's own machine, and not from a browser."
            )

    async def overhear(self, request: Request) -> None:
        """Let an operator read metrics: with a key, or from this machine and not through a proxy on it.

        Raises Unauthenticated, Forbidden, RateLimited.
        """
        if not (_is_local(request) and not _given(request)):
            await self._rates.count("address", network_of_client(request.scope))
            self._owner(request, needed=True)

    def _from_a_page_elsewhere(self, request: Request) -> bool:
        """Whether a browser says that it asks for a page of another origin, and none that may."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        if origin in self._origins:
            return False
        if site:
            return site not in ("same-origin", "none")
        return origin is not None and urlsplit(origin).netloc != request.headers.get("host")

    def _owner(self, request: Request, needed: bool = False, key: str | None = None) -> Owner | None:
        if not self._keys and not needed:
            return None
        key = key or _given(request)
        if key is None:
            raise Unauthenticated("Send an API key: X-API-Key: KEY, or Authorization: Bearer KEY.")
        owner = self._keys.owner(key)
        if owner is None:
            raise Forbidden("The API key is unknown.")
        record_of(request.scope).key = owner.name
        return owner


def caller_of(request: Request) -> str:
    """By whom a request counts in the queues: its API key, else its address."""
    key = record_of(request.scope).key
    return f"key {key}" if key else network_of_client(request.scope)


def _given(request: Request) -> str | None:
    if key := request.headers.get("x-api-key"):
        return key
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" and key.strip() else None


def network_of_client(scope: Scope) -> str:
    """The network that a request comes from, as its sender is counted where no API key names it."""
    return network_of(_address(scope))


def _address(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "unknown"


def _is_local(request: Request) -> bool:
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(_address(request.scope)).is_loopback
    except ValueError:
        return False
