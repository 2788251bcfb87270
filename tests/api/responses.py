"""What every problem+json promises."""

from typing import Any

import httpx2

MEMBERS = {"type", "title", "status", "detail", "instance", "code", "retryable", "request_id"}


def problem(response: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The body of a problem, after a look at all that every problem promises."""
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    body: dict[str, Any] = response.json()
    assert response.headers["Content-Type"] == "application/problem+json"
    assert body.keys() >= MEMBERS
    assert body["status"] == status
    assert body["type"] == f"urn:detect-gateway:error:{code}"
    assert body["request_id"] == response.headers["X-Request-ID"]
    assert "secret words" not in response.text
    assert "Traceback" not in response.text
    return body
