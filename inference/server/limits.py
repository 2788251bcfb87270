"""How much may come in one request, and how many at once: what SageMaker's Batch Transform asks a container."""

from typing import NamedTuple

from cores import usable_cores

MAX_PAYLOAD_MB = 6  # SageMaker's for a real-time request
BATCH_MB = 100  # SageMaker's for all requests of a transform job that are at work in one container


class Limits(NamedTuple):
    """The megabytes (MiB) of a body, and how many requests of each model are at work at once."""

    payload_mb: int
    threads: int

    @property
    def max_body(self) -> int:
        """The bytes of a body."""
        return self.payload_mb * 1024 * 1024

    def execution_parameters(self) -> dict[str, int | str]:
        """What a transform job does that names nothing itself: one record a request suits every type of body."""
        return {
            "MaxConcurrentTransforms": max(1, min(self.threads, BATCH_MB // self.payload_mb)),
            "BatchStrategy": "SINGLE_RECORD",
            "MaxPayloadInMB": min(self.payload_mb, BATCH_MB),
        }


def limits_of(payload_mb: int) -> Limits:
    """Return the limits for a body of so many megabytes, never under SageMaker's own, on the cores that there are.

    Two requests at least are at work, so that one is decoded while the model is busy with the other.
    """
    return Limits(max(MAX_PAYLOAD_MB, payload_mb), max(2, usable_cores()))
