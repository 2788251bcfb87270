"""Writes the card of a model directory, README.md, from what was measured, and the model's `min_score` into model.json.

scripts/train card MODEL-DIR --figures figures.json --run RUN --about about.md

figures.json is evaluate.py's, RUN the folder that train.py wrote, about.md what no measurement tells: what the images
are and by whom, what the model must not be used for. It goes into the card as it is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accuracy import AREAS
from manifest import read_model_json
from training_errors import run

CARD = """\
# {name}, version {version}

| | |
|---|---|
| what it finds | {labels} |
| network | GluonCV's `{network}` |
| input | {input_size}×{input_size}, RGB, the image stretched to it |
| trained | {seen} images seen, the last of them {size}×{size} |

## How good it is

On {images} images with {boxes} to be found, as COCO measures it{through}:

| | to be found | AP | AP50 |
|---|---|---|---|
{sizes}

At IoU 0.5 precision and recall are best together (F1 {F1:.2f}) from a score of **{min_score:.2f}** on, and that is the
model's `min_score`: {precision:.0%} of what it then finds is there, and {recall:.0%} of what is there is found.
{latency}
{about}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the card that the command line asks for."""
    options = parser().parse_args(arguments)
    figures = json.loads(options.figures.read_text())
    log = [json.loads(line) for line in (options.run / "log.jsonl").read_text().splitlines()]
    model = read_model_json(str(options.model)) | {"min_score": round(figures["min_score"], 2)}
    (options.model / "model.json").write_text(json.dumps(model, indent=2) + "\n")
    (options.model / "README.md").write_text(card(model, figures, log[-1], options.about.read_text()))
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = described.add_argument
    add("model", type=Path, help="folder with model.json")
    add("--figures", type=Path, required=True)
    add("--run", type=Path, required=True)
    add("--about", type=Path, required=True)
    return described


def card(model: dict[str, Any], figures: dict[str, float], last: dict[str, Any], about: str) -> str:
    """Return the card's text. `last`: the last row of the run's log."""
    timed = "inference_ms" in figures
    return CARD.format(
        **model | figures | {"labels": ", ".join(model["labels"])},
        seen=f"{last['images']:,}",
        size=last["size"],
        boxes=sum(int(figures[f"boxes_{size}"]) for size in AREAS),
        through=", through the gateway's `/detect`" if timed else "",
        sizes="\n".join(sizes(figures)),
        latency=f"\nThe endpoint took {figures['inference_ms']:.0f} ms an image (median).\n" if timed else "",
        about=about.strip(),
    )


def sizes(figures: dict[str, float]) -> list[str]:
    """Return the rows of the table: everything, then by size."""
    total = sum(int(figures[f"boxes_{size}"]) for size in AREAS)
    rows = [f"| all | {total} | **{figures['AP']:.3f}** | **{figures['AP50']:.3f}** |"]
    for size, words in AREAS.items():
        if figures[f"boxes_{size}"]:
            ap, ap50 = figures[f"AP_{size}"], figures[f"AP50_{size}"]
            rows.append(f"| {size}, {words} | {int(figures[f'boxes_{size}'])} | {ap:.3f} | {ap50:.3f} |")
    return rows


if __name__ == "__main__":
    run(main)
