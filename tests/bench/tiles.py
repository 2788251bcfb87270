"""What tiles find and cost: prints the tables of docs/small-objects.md and says whether each promise held.

    .venv-dev/bin/python -m tests.bench.tiles --coco FILE [--only TABLE…] [--write docs/small-objects.md]

FILE has annotations in COCO's format, with the photographs in `images/` beside it. `scripts/model coco` makes one of
the two detectors. The table `time` wants a machine that does nothing else.
"""

import io
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from sahi.postprocess.combine import GreedyNMMPostprocess, NMSPostprocess

from api.image.tiles import grid
from api.render.merge import Row, merged
from tests.api.conftest import send_boto3_to
from tests.api.gateway import gateway
from tests.bench.people import ALL, SIZES, ask, detect, measured, precision, result, serving
from tests.bench.photographs import Images, mosaics, photographs
from tests.bench.slices import Gateway, by_sahi, rows_of, sliced
from tests.bench.tables import Measure, Promises, arguments, show, table
from tests.conftest import COCO
from tests.model_dirs import BUNDLED
from tests.seed_endpoint import Answer, SeedEndpoint, answer, reply

TABLES = ("found", "merging", "time")
MODELS = {"coco-300": COCO, "person-300": BUNDLED}
GRIDS = {
    "photographs": ("auto", "2x2", "3x3"),
    "mosaics of 4": ("auto", "2x2"),
    "mosaics of 16": ("auto", "2x2", "3x3"),
}
RULES: Mapping[str, Callable[[list[Row]], list[Row]]] = {
    "the gateway's": merged,
    "suppression, IoU over 0.5": by_sahi(NMSPostprocess, "IOU"),
    "suppression, IoS over 0.5": by_sahi(NMSPostprocess, "IOS"),
    "sahi's default: GREEDYNMM, IoS over 0.5": by_sahi(GreedyNMMPostprocess, "IOS"),
    "GREEDYNMM, IoU over 0.5": by_sahi(GreedyNMMPostprocess, "IOU"),
}
LEAST = (0.01, 0.3)  # confidence thresholds; sahi's default is 0.3
NOISE = 0.005  # of AP50
ALONE, TILED, SLICED = "one call", "`tiles=4x4`", "sahi, 4×4 slices and the whole"
CALL_SECONDS = 0.05


def main() -> int:
    """The command line."""
    parser = arguments(__doc__, TABLES)
    parser.add_argument("--coco", type=Path, metavar="FILE", required=True)
    chosen = parser.parse_args()
    single = photographs(chosen.coco)
    images = {"photographs": single, "mosaics of 4": mosaics(single, 2), "mosaics of 16": mosaics(single, 4)}
    with serving(MODELS) as client:
        measures: dict[str, Measure] = {
            "found": lambda: found(client, images),
            "merging": lambda: merging(client, images),
            "time": lambda: duration(client, images["mosaics of 16"], rounds=2 if chosen.quick else 15),
        }
        return 0 if show({name: measures[name] for name in chosen.only}, chosen.write) else 1


def found(client: httpx2.Client, images: Mapping[str, Images]) -> tuple[str, Promises]:
    """AP and AP50 of people by their size, without tiles and with."""
    rows, best = [], {}
    for model in MODELS:
        for kind, several in images.items():
            for tiles in (None, *GRIDS[kind]):
                calls, results = ask(client, several, model=model, **({"tiles": tiles} if tiles else {}))
                rows.append([model, kind, tiles or "none", f"{calls:.1f}", *precision(several, results)])
                best[model, kind, tiles] = measured(several, results)
    promises = {
        f"{model} finds more people in {kind} with tiles=auto: AP50 {best[model, kind, 'auto']:.3f}, not {alone:.3f}": (
            best[model, kind, "auto"] > alone
        )
        for (model, kind, tiles), alone in best.items()
        if tiles is None
    }
    head = ["model", "images", "tiles", "calls", *SIZES]
    return table(head, rows), promises


def merging(client: httpx2.Client, images: Mapping[str, Images]) -> tuple[str, Promises]:
    """The same boxes of 2×2 tiles of photographs and 4×4 of mosaics, merged by one rule and another."""
    rows, scores = [], {}
    for model in MODELS:
        for kind, side in (("photographs", 2), ("mosaics of 16", 4)):
            seen = unmerged(client, images[kind], side, model)
            for name, rule in RULES.items():
                results = {least: by_rule(seen, rule, least) for least in LEAST}
                scores[model, kind, name] = [measured(images[kind], one) for one in results.values()]
                rows.append([model, kind, name, *(precision(images[kind], one)[0] for one in results.values())])
    ours = next(iter(RULES))
    promises = {
        f"{model}, {kind}: no rule finds more than ours": all(
            one <= own + NOISE
            for name in RULES
            for one, own in zip(scores[model, kind, name], scores[model, kind, ours], strict=True)
        )
        for model, kind, _ in scores
    }
    return table(["model", "images", "rule", *(f"scores from {least}" for least in LEAST)], rows), promises


def unmerged(client: httpx2.Client, several: Images, side: int, model: str) -> dict[int, list[Row]]:
    """What is found in each image and its tiles."""
    return {
        number: rows_of(client, opened(file), grid(*several.size(number), side, side), model=model, **ALL)
        for number, file in several.files.items()
    }


def by_rule(
    seen: Mapping[int, list[Row]], rule: Callable[[list[Row]], list[Row]], least: float
) -> list[dict[str, Any]]:
    """COCO's results of what is left by a rule, of the boxes with a score of `least` or more."""
    return [
        result(number, row.score, row.box)
        for number, boxes in seen.items()
        for row in rule([one for one in boxes if one.score >= least])
    ]


def duration(client: httpx2.Client, several: Images, rounds: int) -> tuple[str, Promises]:
    """One image of 5 megapixels, in turn: one call, tiles, and the same slices sent by sahi."""
    with many_machines() as other:
        taken = {"embedded": lap(client, several, rounds), "many machines": lap(other, several, rounds)}
    rows = [
        [name, *(f"{ms[name]:.0f}" for ms in taken.values()), *(f"{ms[name] / ms[ALONE]:.1f}" for ms in taken.values())]
        for name in (ALONE, TILED, SLICED)
    ]
    promises = {
        f"{where}, tiles take {ms[TILED] / ms[SLICED]:.2f} of the time of sahi, at most {most}": (
            ms[TILED] <= most * ms[SLICED]
        )
        for (where, ms), most in zip(taken.items(), (1.0, 0.5), strict=True)
    }
    head = ["2560×1920", *(f"ms, {where}" for where in taken), *(f"times one call, {where}" for where in taken)]
    return table(head, rows), promises


@contextmanager
def many_machines() -> Iterator[httpx2.Client]:
    """A gateway before an endpoint that takes a twentieth of a second for each call, however many come at once."""

    def think(_: dict[str, Any]) -> Answer:
        time.sleep(CALL_SECONDS)
        return reply(answer(size=300))

    with SeedEndpoint() as endpoint, pytest.MonkeyPatch.context() as environment:
        endpoint.script = think
        send_boto3_to(endpoint, environment)
        with gateway(endpoint_name="seed", input_size=300) as client:
            yield client


def lap(client: httpx2.Client, several: Images, rounds: int) -> dict[str, float]:
    """The median milliseconds of each."""
    file, part = several.files[0], grid(*several.size(0), 4, 4)[0]
    by_hand = Gateway(client, min_score=0.5)
    subjects: dict[str, Callable[[], object]] = {
        ALONE: lambda: detect(client, file),
        TILED: lambda: detect(client, file, tiles="4x4"),
        SLICED: lambda: sliced(by_hand, opened(file), part),
    }
    taken: dict[str, list[float]] = {name: [] for name in subjects}
    for _ in range(rounds):
        for name, subject in subjects.items():
            started = time.perf_counter()
            subject()
            taken[name].append((time.perf_counter() - started) * 1000)
    return {name: statistics.median(times) for name, times in taken.items()}


def opened(file: bytes) -> Image.Image:
    """The pixels."""
    return Image.open(io.BytesIO(file)).convert("RGB")


if __name__ == "__main__":
    sys.exit(main())
