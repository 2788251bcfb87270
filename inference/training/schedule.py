"""What changes while the network learns, by the share of the images seen, so that a resumed run goes on the same."""

from __future__ import annotations

import math
from typing import NamedTuple

WARM_UP = 300  # steps, or a tenth of a short training


class Schedule(NamedTuple):
    """How long, how fast and at what size. `images`: to be seen in all, over all resumed runs."""

    images: int
    batch: int
    rate: float
    size: int
    first_size: int
    first_share: float = 0.6
    last_rate: float = 0.01
    aid: float = 4.0
    last_aid: float = 0.4

    def share(self, seen: int) -> float:
        """Return how much of the training is done, 0 to 1."""
        return min(1.0, seen / self.images)

    def learning_rate(self, seen: int) -> float:
        """Warm up, then fall as a cosine to a hundredth."""
        warm_up = min(WARM_UP, max(1, self.images // self.batch // 10))
        fall = 0.5 * (1 + math.cos(math.pi * self.share(seen)))
        return self.rate * min(1, (seen // self.batch + 1) / warm_up) * (self.last_rate + (1 - self.last_rate) * fall)

    def image_size(self, seen: int) -> int:
        """Small images first: they are three times as quick, and most is learnt from them."""
        return self.first_size if self.share(seen) < self.first_share else self.size

    def aid_weight(self, seen: int) -> float:
        """What the training aid counts, less and less."""
        return self.aid + (self.last_aid - self.aid) * self.share(seen)
