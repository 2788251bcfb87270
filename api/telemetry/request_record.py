"""What is known of one request, as one typed record: its log line and its figures are made of it."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from api.schema import Detections

Scope = MutableMapping[str, Any]


@dataclass
class RequestRecord:
    """The first part of the gateway that knows a field sets it; None is left out of the log line."""

    request_id: str
    code: str | None = None
    detail: str | None = None
    cause: str | None = None
    limit: str | None = None
    key: str | None = None
    model: str | None = None
    bytes_in: int | None = None
    image: dict[str, Any] | None = None
    images: int | None = None
    detections: int | None = None
    calls: int | None = None
    timing_ms: dict[str, float] | None = None
    colour_profile: str | None = None

    def answered(self, answer: Detections, profile_ignored: bool) -> None:
        """Note what was found in the image, and whether its colour profile was left out."""
        self.image, self.detections = answer.image.model_dump(), answer.count
        self.calls = answer.calls if answer.calls > 1 else None
        self.timing_ms = answer.timing_ms.model_dump()
        self.colour_profile = "ignored" if profile_ignored else None

    def known(self) -> dict[str, Any]:
        """The fields that are known."""
        return {name: value for name, value in vars(self).items() if value is not None}


def begin_record(scope: Scope, request_id: str) -> RequestRecord:
    """A new record for the request of this ASGI scope."""
    record = RequestRecord(request_id)
    scope.setdefault("state", {})["record"] = record
    return record


def record_of(scope: Scope) -> RequestRecord:
    """The record of this ASGI scope's request."""
    record: RequestRecord = scope["state"]["record"]
    return record
