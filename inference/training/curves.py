"""The log of a run as an image: losses, accuracy and learning rate against the images seen."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot

PANELS = {"losses": ("score", "place"), "accuracy on the test set": ("AP50", "AP"), "learning rate": ("rate",)}


def draw_curves(log: Path, out: Path) -> None:
    """Draw log.jsonl."""
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [row["images"] / 1000 for row in rows]
    figure, panels = pyplot.subplots(1, len(PANELS), figsize=(12, 3.5), layout="constrained")
    for panel, (title, names) in zip(panels, PANELS.items(), strict=True):
        for name in names:
            panel.plot(seen, [row[name] for row in rows], label=name)
        panel.set_title(title)
        panel.set_xlabel("thousand images seen")
        panel.set_ylim(bottom=0)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(out, dpi=100)
    pyplot.close(figure)
