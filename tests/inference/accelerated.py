"""Loads a model directory on MXNet with stand-ins for Elastic Inference, and writes what became of it as JSON.

Run by MXNet's Python, with the hooks on its path: `accelerated.py MODEL_DIR STAND-IN...`. The stand-ins work on the
CPU: `eia` is a context of its own there, `eimx` a module in `stand_ins/`; what the network is given is kept.
"""

import importlib
import json
import logging
import sys
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np

import resizing

model_dir, *stand_ins = sys.argv[1:]
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
SIZES = ((300, 300), (224, 398), (300, 300), (398, 224))
kept: dict[str, list[Any]] = {"given": [], "compiled": []}
call, compile_network = mx.gluon.HybridBlock.__call__, mx.gluon.HybridBlock._build_cache


def watched_call(block: Any, *args: Any) -> Any:
    """Note what a network is called with, unless it is being traced."""
    if type(args[0]) is mx.nd.NDArray:
        kept["given"].append([list(args[0].shape), str(args[0].context)])
    return call(block, *args)


def watched_compile(block: Any, *args: Any) -> Any:
    kept["compiled"].append(block.name)
    return compile_network(block, *args)


mx.gluon.HybridBlock.__call__, mx.gluon.HybridBlock._build_cache = watched_call, watched_compile
if "eia" in stand_ins:
    mx.eia = lambda: mx.cpu(7)  # every CPU context computes, and an array tells which one it is in
if "eimx" in stand_ins:
    sys.path.insert(0, str(Path(__file__).with_name("stand_ins")))

model = importlib.import_module("inference").model_fn(model_dir)
warm = len(kept["given"])
answers = []
for height, width in SIZES:
    pixels = np.random.RandomState(height).randint(0, 255, (height, width, 3)).astype(np.uint8)
    own, square = model(pixels), model(resizing.resize(pixels, 300, 300))
    answers.append({"shape": own.shape, "boxes": own.boxes.tolist(), "square": square.boxes.tolist()})
parameters = {str(context) for held in model.network.collect_params().values() for context in held.list_ctx()}
flags = model.network._flags
optimised = getattr(sys.modules.get("eimx"), "optimised", [])
facts = {
    "warm": warm,
    "answers": answers,
    "parameters": sorted(parameters),
    "flags": dict(flags),
    "optimised": optimised,
}
json.dump({**kept, **facts}, sys.stdout)
