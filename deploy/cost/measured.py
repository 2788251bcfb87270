"""What a machine really does: measured here, in a bench result, or said by the operator."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import Refused
from deploy.wish import target_named

BULK = "bulk"  # measured like a target
BULK_PER_CORE = 59.8 / 2  # images a second: ssd_512_mobilenet1.0 as int8 on two cores (docs/engine.md)
SHIPPED = Path(__file__).parent / "measurements.json"  # docs/engine.md has the same numbers
BYTES_PER_IMAGE = 110_000.0  # what the bundled test image has at 512×512, with its answer


@dataclass(frozen=True)
class Measured:
    """What one machine of a way does: images a second at full load, milliseconds an image, bytes in and out of it.

    `origin` says where another machine than the way's own was measured, with which model, and when.
    """

    images_per_second: float
    latency_ms: float
    bytes_per_image: float = BYTES_PER_IMAGE
    origin: str = ""


def read_bench(path: Path) -> dict[str, Measured]:
    """Measured throughput by target, from `smoke --json` or a list of such. Raises Refused for any other file."""
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        rows = document if isinstance(document, list) else [document.get("smoke", document)]
        return dict(measured_row(row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"{path} is no bench result.",
            hint="It is JSON: target, images_per_second and latency_ms, one object or a list of them.",
        ) from error


def measured_row(row: Mapping[str, Any]) -> tuple[str, Measured]:
    """One measured target."""
    moved = float(row.get("bytes_per_image", BYTES_PER_IMAGE))
    origin = "measured on {machine} with {model} on {date}".format(**row) if "machine" in row else ""
    measured = Measured(float(row["images_per_second"]), float(row["latency_ms"]), moved, origin)
    return row["target"], checked(row["target"], measured)


def parse_throughput(text: str) -> tuple[str, Measured]:
    """`cpu=14.5` or `cpu=14.5,70`: images a second and milliseconds. Raises Refused."""
    name, _, numbers = text.partition("=")
    try:
        rate, _, latency = numbers.partition(",")
        return name, checked(name, Measured(float(rate), float(latency) if latency else 1000 / float(rate)))
    except (ValueError, ZeroDivisionError) as error:
        raise Refused(
            f"--throughput takes TARGET=IMAGES_A_SECOND or TARGET=IMAGES_A_SECOND,MILLISECONDS, not {text!r}."
        ) from error


def checked(name: str, measured: Measured) -> Measured:
    """The measurement. Raises Refused for an unknown target or numbers that no machine has."""
    if name != BULK:
        target_named(name)
    if not (0 < measured.images_per_second < math.inf and 0 < measured.latency_ms < math.inf):
        raise Refused(f"Throughput and latency of {name} have to be more than 0.")
    return measured
