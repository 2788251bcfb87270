"""Rate limits per API key and per address, counted in memory or, across workers and replicas, in Redis."""

import ipaddress
import logging
import math
import time
from functools import lru_cache
from typing import Any, cast

from cachetools import LRUCache
from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from api.errors import InvalidSetting, RateLimited

log = logging.getLogger(__name__)

MAX_CALLERS = 100_000  # counted in memory at once, some 30 MB; those who were longest away are forgotten


class RateLimits:
    """A caller beyond its rate is told when to come back. Where Redis fails, each process counts alone."""

    def __init__(self, per_key: str | None, per_address: str | None, redis: str | None) -> None:
        self._limits: dict[str, RateLimitItem] = {}
        for kind, rate in (("key", per_key), ("address", per_address)):
            if rate:
                self._limits[kind] = parse_rate(rate)
        self._alone = _InMemory()
        self._redis = _connected(redis) if redis else None
        self._shared = SlidingWindowCounterRateLimiter(self._redis) if self._redis else None

    async def count(self, kind: str, who: str, cost: int = 1) -> None:
        """Count one request of this key or address, or as many as it stands for. Raises RateLimited."""
        limit = self._limits.get(kind)
        if limit is None:
            return
        wait = await self._wait(limit, kind, who, cost)
        if wait is not None:
            detail = f"The limit is {limit} for one {kind}. Try again in {wait} s."
            raise RateLimited(detail, retry_after=wait, limit=f"rate-per-{kind}")

    async def close(self) -> None:
        """Close the connections to Redis."""
        if self._redis:
            client: Any = self._redis.bridge  # whose Redis client has no type
            await client.storage.aclose()

    async def _wait(self, limit: RateLimitItem, kind: str, who: str, cost: int) -> int | None:
        """Seconds until the next is welcome, or None where this one is."""
        if self._shared is None:
            return self._alone.hit(limit, kind, who, cost)
        try:
            if await self._shared.hit(limit, kind, who, cost=cost):
                return None
            reset = (await self._shared.get_window_stats(limit, kind, who)).reset_time
            return max(1, math.ceil(reset - time.time()))
        except StorageError as error:
            log.warning("Redis cannot be asked; this process counts alone: %s", type(error.__cause__).__name__)
            return self._alone.hit(limit, kind, who, cost)


class _InMemory:
    """Sliding window counters, each request at the same small cost however many callers there are.

    A counter is two windows: the last one counts by the share of it that still lies within the limit's time.
    """

    def __init__(self) -> None:
        self._windows: LRUCache[tuple[str, str], tuple[int, int, int]] = LRUCache(MAX_CALLERS)

    def hit(self, limit: RateLimitItem, kind: str, who: str, cost: int) -> int | None:
        """Count, and return None; or the seconds after which to come again."""
        seconds, now = limit.get_expiry(), time.time()
        window, into = int(now // seconds), now % seconds / seconds
        begun, last, this = self._windows.get((kind, who), (window, 0, 0))
        if begun < window:
            last, this = (this if begun == window - 1 else 0), 0
        if last * (1 - into) + this + cost > limit.amount:
            return max(1, math.ceil(seconds * (1 - into)))
        self._windows[kind, who] = window, last, this + cost
        return None


def parse_rate(rate: str) -> RateLimitItem:
    """A rate such as `60/minute`. Raises ValueError."""
    return parse(rate)


@lru_cache(4096)  # asked for several times a request
def network_of(address: str) -> str:
    """What counts as one address: an IPv6 customer has a /64 to choose from."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((address, 64), strict=False)) if parsed.version == 6 else address


def _connected(url: str) -> RedisStorage:
    try:
        return cast(RedisStorage, storage_from_string(f"async+{url}", implementation="redispy", wrap_exceptions=True))
    except (ConfigurationError, ValueError) as error:
        raise InvalidSetting("DETECT_REDIS_URL is no Redis URL, or the extra `redis` is not installed.") from error
