"""Whether two answers show the same boxes, and what stock GluonCV answers."""

import json
import subprocess
from pathlib import Path
from typing import Any

from tests.model_dirs import BUNDLED

SEEN = 0.05  # scores under this are not looked for on the other side
Answer = dict[str, Any]
MANIFEST = json.loads((BUNDLED / "model.json").read_text())
SIZE = MANIFEST["input_size"]


def assert_same_boxes(ours: Answer, theirs: Answer, score: float = 1e-3, pixels: float = 0.5) -> None:
    """Whatever one side sees over SEEN, the other side sees too, so closely."""
    assert seen_by_one(ours, theirs, score, pixels) == []


def seen_by_one(ours: Answer, theirs: Answer, score: float = 1e-3, pixels: float = 0.5) -> list[Any]:
    """The rows over SEEN that only one side has."""
    assert ours["shape"] == theirs["shape"]
    return [
        row
        for one, other in ((ours, theirs), (theirs, ours))
        for row in rows(one, SEEN)
        if not any(close(row, twin, score, pixels) for twin in rows(other, SEEN - 2 * score))
    ]


def rows(answer: Answer, least: float) -> list[tuple[float, float, list[float]]]:
    found = zip(answer["cid"], answer["score"], answer["bbox"], strict=True)
    return [(cid, score, box) for (cid,), (score,), box in found if score > least]


def close(row: Any, twin: Any, score: float, pixels: float) -> bool:
    apart = max(abs(a - b) for a, b in zip(row[2], twin[2], strict=True))
    return bool(row[0] == twin[0] and abs(row[1] - twin[1]) <= score and apart <= pixels)


def stock(python: Path, files: list[Path], short: int) -> list[Answer]:
    """Ask stock GluonCV about all these files."""
    params = next(BUNDLED.glob("*.params"))
    weights = [MANIFEST["network"], str(params), MANIFEST["labels"], MANIFEST["mean"], MANIFEST["std"]]
    done = subprocess.run(
        [str(python), "-W", "ignore", str(Path(__file__).with_name("stock_gluoncv.py")), json.dumps(weights)],
        input=json.dumps([[str(file), short] for file in files]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    answers: list[Answer] = json.loads(done.stdout)
    return answers
