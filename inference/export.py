"""GluonCV's SSDs → a model directory that every engine here serves: ONNX, symbol and parameters, model.json.

Runs where MXNet and GluonCV are: `python inference/export.py ssd_300_mobilenet0.25_custom --params FILE --out DIR`
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mxnet as mx
import onnx
from gluoncv import model_zoo

from convert import convert
from manifest import DEFAULTS, Manifest


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model directory that the command line asks for."""
    options = parser().parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    manifest = describe(options)
    prefix = options.out / "model"
    write_symbol(build(manifest, options.params), manifest.input_size, prefix)
    write_onnx(prefix, manifest)
    (options.out / "model.json").write_text(json.dumps(manifest._asdict(), indent=2) + "\n")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__)
    add = described.add_argument
    add("network", help="a name of GluonCV's zoo, such as ssd_512_mobilenet1.0_custom")
    add("--params", type=Path, required=True, help="weights that the network's load_parameters takes")
    add("--out", type=Path, required=True, help="folder to write; made if need be")
    add("--labels", nargs="+", default=DEFAULTS.labels)
    add("--input-size", type=int, default=DEFAULTS.input_size)
    add("--name", help="default: the network's")
    add("--version", default="1")
    return described


def describe(options: argparse.Namespace) -> Manifest:
    """Return the manifest that goes beside the weights."""
    return DEFAULTS._replace(
        name=options.name or options.network,
        version=options.version,
        labels=options.labels,
        input_size=options.input_size,
        network=options.network,
    )


def build(manifest: Manifest, params: Path) -> Any:
    """Build the network with its weights, the anchors among them."""
    network = model_zoo.get_model(manifest.network, classes=manifest.labels, pretrained_base=False)
    network.load_parameters(str(params))
    return network


def write_symbol(network: Any, input_size: int, prefix: Path) -> None:
    """Write PREFIX-symbol.json and PREFIX-0000.params, which need no GluonCV to be loaded."""
    network.hybridize()
    network(mx.nd.zeros((1, 3, input_size, input_size)))  # MXNet exports what it has run
    network.export(str(prefix), epoch=0)


def write_onnx(prefix: Path, manifest: Manifest) -> None:
    """Convert PREFIX-symbol.json and PREFIX-0000.params to PREFIX.onnx."""
    symbol = json.loads(Path(f"{prefix}-symbol.json").read_text())
    saved = mx.nd.load(f"{prefix}-0000.params")
    params = {name.split(":", 1)[-1]: values.asnumpy() for name, values in saved.items()}
    onnx.save(convert(symbol, params, manifest.mean, manifest.std), f"{prefix}.onnx")


if __name__ == "__main__":
    sys.exit(main())
