"""What Prometheus is told, right across several workers."""

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
    multiprocess,
)

from api.errors import DetectError
from api.telemetry.clock import Stage

untyped: Any = multiprocess  # the only part of prometheus-client without types
EXPOSITION_TYPE = CONTENT_TYPE_LATEST
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # set by `serve` for several workers, before they start
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25)
PIXELS = (1e5, 3e5, 1e6, 2e6, 4e6, 8e6, 12e6, 24e6, 50e6)
BREAKER = {"closed": 0, "half-open": 1, "open": 2}


class Metrics:
    """The counters of one process; `exposition` adds those of its fellow workers."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second line of noise for each figure
        self.registry = own = CollectorRegistry()
        self.requests = Counter("detect_requests", "Requests answered", ["route", "method", "code"], registry=own)
        self.seconds = Histogram("detect_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=own)
        self.stages = Histogram(
            "detect_stage_seconds",
            "Time in one stage of a detection",
            ["stage", "model"],
            buckets=SECONDS,
            registry=own,
        )
        self.pixels = Histogram("detect_image_pixels", "Pixels of images", buckets=PIXELS, registry=own)
        gauge = partial(Gauge, registry=own, multiprocess_mode="livesum")
        self.in_flight = gauge("detect_requests_in_flight", "Requests being answered")
        self.waiting = gauge("detect_waiting", "Work in line for a place", ["place"])
        self.rejected = Counter("detect_rejected", "Requests rejected with 429", ["limit"], registry=own)
        self.held = gauge("detect_held_bytes", "Bytes of uploads and large answers in memory")
        self.endpoint_errors = Counter(
            "detect_endpoint_errors", "Failed endpoint calls", ["code", "model"], registry=own
        )
        self.billed = Counter(
            "detect_billed_invocations", "Endpoint calls that AWS bills, or may bill", ["model"], registry=own
        )
        self.breaker = Gauge(
            "detect_breaker", "0 closed, 1 half-open, 2 open", ["model"], registry=own, multiprocess_mode="livemax"
        )
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(registry=own)

    def expect(self, model: str) -> None:
        """Show a model's figures from the start: an alarm needs the zero before the one."""
        self.breaker.labels(model).set(BREAKER["closed"])
        self.billed.labels(model)

    def detected(self, model: str, spent: Mapping[Stage, float], pixels: int) -> None:
        """A detection was answered."""
        for stage, seconds in spent.items():
            self.stages.labels(stage, model).observe(seconds)
        self.pixels.observe(pixels)

    def called(self, model: str, error: DetectError | None, breaker: str) -> None:
        """An endpoint call ended, well (None) or not."""
        if error:
            self.endpoint_errors.labels(error.code, model).inc()
        if error is None or error.reached:
            self.billed.labels(model).inc()
        self.breaker.labels(model).set(BREAKER[breaker])

    def exposition(self) -> bytes:
        """All workers' figures in Prometheus's text format."""
        if SHARED_FOLDER not in os.environ:
            return generate_latest(self.registry)
        folder = Path(os.environ[SHARED_FOLDER])
        for pid in _ended(folder):
            untyped.mark_process_dead(pid, str(folder))
        everybody = CollectorRegistry()
        untyped.MultiProcessCollector(everybody, str(folder))
        return generate_latest(everybody)


def _ended(folder: Path) -> set[int]:
    """Workers that have left gauges behind and are no more."""
    left = {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*.db")}
    return {pid for pid in left if not _alive(pid)}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
