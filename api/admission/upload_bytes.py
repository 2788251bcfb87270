"""Bytes of uploads and large responses that a process holds, reserved before they come.

A caller gets no more than a share of what is free (the dynamic threshold of Choudhury and Hahne, IEEE/ACM Transactions
on Networking 6, 1998): one alone gets most of it, and there is always room left for the next.
"""

from collections import Counter
from collections.abc import Callable

from api.errors import Overloaded

SHARE = 8  # times the bytes that stay free, that a caller may hold


class UploadBytes:
    """At most so many bytes at once; `note` hears how many. On the event loop's thread only."""

    def __init__(self, total: int, note: Callable[[int], object] = lambda _: None) -> None:
        self._total, self._note = total, note
        self._held = Counter[str]()

    def reserve(self, caller: str, size: int) -> None:
        """Hold so many bytes more for this caller, all or none. Raises Overloaded."""
        free = self._total - self._held.total() - size
        if self._held[caller] + size > SHARE * free:
            detail = "Too many bytes are being uploaded. Try again in a second."
            raise Overloaded(detail, retry_after=1, limit="upload-bytes")
        self._held[caller] += size
        self._note(self._held.total())

    def free(self, caller: str, size: int) -> None:
        """Give so many back."""
        if not size:
            return
        self._held[caller] -= size
        if not self._held[caller]:
            del self._held[caller]
        self._note(self._held.total())
