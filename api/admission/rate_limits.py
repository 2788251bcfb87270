"""Rate limits per API key and per address, counted in memory or, across workers and replicas, in Redis."""

import ipaddress
import logging
import math
import time
from typing import cast

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from api.errors import InvalidSetting, RateLimited

log = logging.getLogger(__name__)


class RateLimits:
    """Who asks more often than this is told when to come back. Where Redis fails, each process counts alone."""

    def __init__(self, per_key: str | None, per_address: str | None, redis: str | None) -> None:
        self._limits: dict[str, RateLimitItem] = {}
        for kind, rate in (("key", per_key), ("address", per_address)):
            if rate:
                self._limits[kind] = parse_rate(rate)
        self._alone = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = SlidingWindowCounterRateLimiter(_connected(redis)) if redis else self._alone

    async def count(self, kind: str, who: str, cost: int = 1) -> None:
        """Count one request of this key or address, or as many as it stands for. Raises RateLimited."""
        limit = self._limits.get(kind)
        if limit is None:
            return
        try:
            wait = await _wait(self._shared, limit, kind, who, cost)
        except StorageError as error:
            log.warning("Redis cannot be asked; this process counts alone: %s", type(error.__cause__).__name__)
            wait = await _wait(self._alone, limit, kind, who, cost)
        if wait is not None:
            raise RateLimited(f"At most {limit} for one {kind}.", retry_after=wait, limit=f"rate-per-{kind}")


def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as `60/minute`. Raises ValueError."""
    return parse(rate)


def network_of(address: str) -> str:
    """What counts as one address: an IPv6 customer has a /64 to choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else address


async def _wait(
    limiter: SlidingWindowCounterRateLimiter, limit: RateLimitItem, kind: str, who: str, cost: int
) -> int | None:
    """Seconds until the next is welcome, or None where this one is."""
    if await limiter.hit(limit, kind, who, cost=cost):
        return None
    reset = (await limiter.get_window_stats(limit, kind, who)).reset_time
    return max(1, math.ceil(reset - time.time()))


def _connected(url: str) -> Storage:
    try:
        return cast(Storage, storage_from_string(f"async+{url}", implementation="redispy", wrap_exceptions=True))
    except (ConfigurationError, ValueError) as error:
        raise InvalidSetting("DETECT_REDIS_URL is no Redis URL, or the extra `redis` is not installed.") from error
