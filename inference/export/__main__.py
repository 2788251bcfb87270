"""GluonCV's SSDs → a model directory that every engine here serves: ONNX, symbol and parameters, model.json.

Runs where MXNet is. From a name of GluonCV's zoo and its weights:

    python -m inference.export ssd_512_mobilenet1.0_coco --params FILE --labels person --out DIR

or, without GluonCV, from a symbol and its parameters:

    python -m inference.export --symbol model-symbol.json --params model-0000.params --out DIR
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import onnx

import mxnet_engine
from errors import ModelNotUsable
from inference.export import parity
from inference.export.graph import Array, ConversionError
from inference.export.images import canvas, images_in
from inference.export.operators import convert
from inference.export.quantize import quantize
from manifest import DEFAULTS, Manifest, check
from onnx_engine import OnnxDetector
from weights import pretrained


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the model directory that the command line asks for, and say how well the engines agree."""
    options = parser().parse_args(arguments)
    try:
        sys.stdout.write(export(options, describe(options)))
    except (ConversionError, ModelNotUsable, OSError) as exc:
        sys.stderr.write(f"export: {exc}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(
        prog="inference.export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    network = described.add_mutually_exclusive_group(required=True)
    network.add_argument("network", nargs="?", help="a network of GluonCV, such as ssd_512_mobilenet1.0_custom")
    network.add_argument("--symbol", type=Path, help="the network as a symbol, such as model-symbol.json")
    add = described.add_argument
    add("--params", type=Path, help="the weights; default: download GluonCV's pretrained ones")
    add("--out", type=Path, required=True, help="output folder; created if missing")
    add("--labels", nargs="+", default=DEFAULTS.labels, help="labels to keep; default: person")
    add("--trained-on", nargs="+", metavar="LABEL", help="all labels of a _custom network's weights")
    add("--input-size", type=int, default=DEFAULTS.input_size, help="N of the N x N input (%(default)s)")
    add("--score-floor", type=float, default=DEFAULTS.score_floor, help="drop boxes with a lower score (%(default)s)")
    add("--calibration", type=Path, metavar="FOLDER", help="typical images; also write model.int8.onnx")
    add("--coco", type=Path, metavar="FILE", help="annotations in COCO's format, to measure average precision on")
    add("--name", help="name of the model; default: the network's")
    add("--version", default="1")
    return described


def describe(options: argparse.Namespace) -> Manifest:
    """Return the manifest that goes beside the weights. Raises ModelNotUsable where the options make none."""
    network = options.network or options.symbol.name.removesuffix("-symbol.json")
    manifest = DEFAULTS._replace(
        name=options.name or network,
        version=options.version,
        labels=options.labels,
        input_size=options.input_size,
        network=network,
        score_floor=options.score_floor,
    )
    check(manifest)
    return manifest


def export(options: argparse.Namespace, manifest: Manifest) -> str:
    """Write the directory, and return the parity report. Raises ConversionError, ModelNotUsable or OSError."""
    out = options.out
    out.mkdir(parents=True, exist_ok=True)
    prefix = out / "model"
    if options.symbol:
        copy_symbol(options, prefix)
    else:
        write_symbol(build(options, manifest), manifest.input_size, prefix)
    write_onnx(prefix, manifest)
    reference = parity.mxnet_network(prefix, manifest)
    check_labels(reference, manifest)
    (out / "model.int8.onnx").unlink(missing_ok=True)  # one of other weights would be served
    if options.calibration:
        calibrating = images_in(options.calibration)
        quantize(out / "model.onnx", out / "model.int8.onnx", calibrating, manifest.input_size)
    (out / "model.json").write_text(json.dumps(manifest._asdict(), indent=2) + "\n")
    return report(options, manifest, reference)


def copy_symbol(options: argparse.Namespace, prefix: Path) -> None:
    """Take the symbol and its parameters as they are, unless they lie there already."""
    if not options.params:
        raise ModelNotUsable("a symbol needs its --params")
    for source, end in ((options.symbol, "-symbol.json"), (options.params, "-0000.params")):
        target = Path(f"{prefix}{end}")
        if source.resolve() != target.resolve():
            shutil.copyfile(source, target)


def build(options: argparse.Namespace, manifest: Manifest) -> Any:
    """Build the network with its weights, the anchors among them, and keep the labels that are wanted."""
    params = str(options.params or pretrained(manifest.network))
    trained = options.trained_on or manifest.labels
    network = mxnet_engine.zoo_network(manifest._replace(labels=trained), params, mx.cpu())
    return mxnet_engine.narrowed(network, manifest.labels)


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


def check_labels(network: parity.Network, manifest: Manifest) -> None:
    """Refuse more or fewer labels than the network has classes."""
    scores, _ = network(noise(manifest.input_size))
    if scores.shape[1] != len(manifest.labels):
        raise ModelNotUsable(f"the network has {scores.shape[1]} classes, and {len(manifest.labels)} labels are named")


def report(options: argparse.Namespace, manifest: Manifest, reference: parity.Network) -> str:
    """Compare each ONNX file with MXNet, and score all of them where a set is given: a table in Markdown."""
    networks = {"MXNet": reference}
    networks |= {file.name: OnnxDetector(str(file), manifest).candidates for file in sorted(options.out.glob("*.onnx"))}
    lines = [
        "| network | largest score difference | largest corner difference, pixels | AP | AP50 |",
        "|---|---|---|---|---|",
    ]
    for name, network in networks.items():
        score, corner = parity.largest_differences(network, reference, looked_at(options, manifest.input_size))
        scored = parity.average_precisions(network, options.coco, manifest) if options.coco else ()
        precision = " | ".join(f"{value:.4f}" for value in scored) or "not measured | not measured"
        lines.append(f"| {name} | {score:.5f} | {corner:.3f} | {precision} |")
    return "\n".join(lines) + "\n"


def looked_at(options: argparse.Namespace, size: int) -> Iterator[Array]:
    """Yield the images that the networks are compared on: those given, else one of noise."""
    if options.calibration:
        yield from (canvas(file, size) for file in images_in(options.calibration))
    else:
        yield noise(size)


def noise(size: int) -> Array:
    """Make an image that shows nothing."""
    return np.random.default_rng(0).integers(0, 256, (size, size, 3), np.uint8)


if __name__ == "__main__":
    sys.exit(main())
