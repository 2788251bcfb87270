"""What `model.json` says of the weights beside it; what it leaves out, the environment may name."""

import json
import os
from collections import namedtuple
from typing import Any

from errors import ModelNotUsable

# input_size: N, images are fitted to N x N. mean, std: of RGB, normalized (0 to 1). network: GluonCV's name.
# score_floor: rows under it are not answered.
Manifest = namedtuple("Manifest", "name version labels input_size mean std fit network score_floor")

DEFAULTS = Manifest(
    name="detector",
    version="0",
    labels=["person"],
    input_size=512,
    mean=[0.485, 0.456, 0.406],
    std=[0.229, 0.224, 0.225],
    fit="stretch",
    network="ssd_512_mobilenet1.0_coco",
    score_floor=0.01,
)

# What the gateway calls them too.
VARIABLES = {
    "name": "DETECT_MODEL_NAME",
    "version": "DETECT_MODEL_VERSION",
    "labels": "DETECT_LABELS",
    "input_size": "DETECT_INPUT_SIZE",
    "mean": "DETECT_MEAN",
    "std": "DETECT_STD",
    "fit": "DETECT_FIT",
    "network": "DETECT_NETWORK",
    "score_floor": "DETECT_SCORE_FLOOR",
}


def read_manifest(model_dir: str) -> Manifest:
    """Return the manifest of a model directory. Raises ModelNotUsable where it is not what it should be."""
    written = read_model_json(model_dir)
    manifest = Manifest(*(written.get(key, fallback(key)) for key in Manifest._fields))
    check(manifest)
    return manifest


def read_model_json(model_dir: str) -> "dict[str, Any]":
    """Return all that `model.json` says, nothing where there is none. Raises ModelNotUsable."""
    try:
        with open(os.path.join(model_dir, "model.json"), encoding="utf-8") as file:
            written = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise ModelNotUsable("model.json cannot be read as a JSON object") from exc
    if not isinstance(written, dict):
        raise ModelNotUsable("model.json cannot be read as a JSON object")
    return written


def fallback(key: str) -> object:
    """Return what the environment says (DETECT_LABELS=person,car), else the default."""
    default, variable = getattr(DEFAULTS, key), VARIABLES[key]
    text = os.environ.get(variable)
    if text is None:
        return default
    try:
        return parse(text, default)
    except ValueError as exc:
        raise ModelNotUsable(f"{variable} cannot be read") from exc


def parse(text: str, like: object) -> object:
    """Read text as the same kind of value as another."""
    if isinstance(like, list):
        return [type(like[0])(part.strip()) for part in text.split(",")]
    return type(like)(text)  # type: ignore[call-arg]


def check(manifest: Manifest) -> None:
    """Refuse a manifest that would only fail later."""
    if not isinstance(manifest.input_size, int) or not 32 <= manifest.input_size <= 1024:
        raise ModelNotUsable("input_size must be a whole number from 32 to 1024")
    if not manifest.labels or not all(isinstance(label, str) for label in manifest.labels):
        raise ModelNotUsable("labels must be a list of names")
    if manifest.fit not in ("stretch", "pad"):
        raise ModelNotUsable("fit must be stretch or pad")
    if not isinstance(manifest.score_floor, (int, float)) or not 0 <= manifest.score_floor < 1:
        raise ModelNotUsable("score_floor must be a number from 0 to below 1")
    for values in (manifest.mean, manifest.std):
        if len(values) != 3:
            raise ModelNotUsable("mean and std must be three numbers each")
