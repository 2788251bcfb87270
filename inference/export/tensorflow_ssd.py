"""An SSD of TensorFlow's Object Detection API → ONNX, one row of OPERATORS per TensorFlow operator.

What resizes, normalises and decodes is written anew from the graph's own constants; the operators between are
converted one by one, from channels last to channels first. The anchors belong to one input size, so the ONNX graph
resizes what it is given to that, as TensorFlow's does, and takes any height and width. Needs numpy and onnx, not
TensorFlow.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import onnx

from inference.export.graph import Array, ConversionError, Graph, Node, Operators, corners, finished, normalised, planes

# What the Object Detection API calls the nodes where its pre- and postprocessing meet the network.
SIZE = "Preprocessor/map/while/ResizeImage/stack"
PIXELS_FACTOR, PIXELS_OFFSET = "Preprocessor/mul", "Preprocessor/sub"
SCORES, OFFSETS, ANCHORS = "Postprocessor/convert_scores", "Squeeze", "Postprocessor/ExpandDims"
BOX_FACTORS = [f"Postprocessor/Decode/div{end}" for end in ("_1", "", "_3", "_2")]  # of x, y, width and height


def convolution(graph: Graph, node: Node, scale: Any = 1.0, shift: Any = 0.0) -> str:
    """Convolution; what scales and shifts its channels goes into its weights."""
    source, weights = sources(node)
    kernel = graph.param(weights)
    depthwise = node["op"] == "DepthwiseConv2dNative"
    groups = kernel.shape[2] if depthwise else 1
    if depthwise:
        kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
    kernel = kernel.transpose(3, 2, 0, 1) * np.reshape(scale, (-1, 1, 1, 1))
    return graph.emit(
        "Conv",
        graph.value(source),
        graph.constant(node["name"] + "_kernel", kernel),
        graph.constant(node["name"] + "_bias", np.broadcast_to(shift, len(kernel))),
        kernel_shape=kernel.shape[2:],
        strides=numbers(node, "strides")[1:3],
        dilations=numbers(node, "dilations", [1] * 4)[1:3],
        auto_pad={"SAME": "SAME_UPPER", "VALID": "VALID"}[text(node, "padding")],
        group=groups,
    )


def channelwise(graph: Graph, node: Node) -> str:
    """What scales and shifts each channel, one node behind the other: into the convolution before, if there is one."""
    scale, shift, before = np.float64(1), np.float64(0), node
    while step := scale_and_shift(graph, before):
        scale, shift = scale * step[0], scale * step[1] + shift
        before = graph.node(operands(graph, before)[0][0])
    if before is node:
        return graph.emit(node["op"], *map(graph.value, sources(node)))
    if before["op"] in ("Conv2D", "DepthwiseConv2dNative"):
        return convolution(graph, before, scale, shift)
    value = graph.value(before["name"])
    for op, by, neutral in (("Mul", scale, 1), ("Add", shift, 0)):
        if np.any(by != neutral):
            constant = graph.constant(f"{node['name']}_{op}", np.reshape(by, (1, -1, 1, 1)))
            value = graph.emit(op, value, constant)
    return value


def scale_and_shift(graph: Graph, node: Node) -> tuple[Any, Any] | None:
    """Return by what a node multiplies each channel and what it adds then; None if it does something else."""
    if node["op"] == "FusedBatchNorm":
        gamma, beta, mean, variance = (each.astype(np.float64) for each in operands(graph, node)[1])
        scale = gamma / np.sqrt(variance + node["attr"]["epsilon"]["f"])
        return scale, beta - mean * scale
    constants = operands(graph, node)[1]
    if node["op"] not in ("Mul", "Add", "BiasAdd") or len(constants) != 1:
        return None
    by = constants[0].astype(np.float64)
    return (by, np.float64(0)) if node["op"] == "Mul" else (np.float64(1), by)


def clip(graph: Graph, node: Node, low: float, high: float) -> str:
    """Clip between two numbers."""
    return graph.emit("Clip", graph.value(sources(node)[0]), graph.number(low), graph.number(high))


def reshape(graph: Graph, node: Node) -> str:
    """Reshape of a feature map, back with its channels last, to rows of anchors."""
    source, shape = sources(node)
    last = graph.emit("Transpose", graph.value(source), perm=[0, 2, 3, 1])
    return graph.emit("Reshape", last, graph.ints(*shape_of(graph, graph.node(shape))))


def shape_of(graph: Graph, node: Node) -> list[int]:
    """Return the shape that a Pack names; what is no constant in it is the number of images."""
    if node["op"] != "Pack":
        raise ConversionError(f"{node['name']} is no shape of a number of images and constants")
    constant = [graph.node(name)["op"] == graph.variable for name in sources(node)]
    return [int(graph.param(n)) if known else -1 for n, known in zip(sources(node), constant, strict=True)]


def concat(graph: Graph, node: Node) -> str:
    """Put rows of anchors one behind the other."""
    *rows, axis = sources(node)
    return graph.emit("Concat", *map(graph.value, rows), axis=int(graph.param(axis)))


def squeeze(graph: Graph, node: Node) -> str:
    """Drop axes of length one."""
    return graph.emit("Squeeze", graph.value(sources(node)[0]), graph.ints(*numbers(node, "squeeze_dims")))


def same(op: str, **attributes: Any) -> Any:
    """Return the conversion of an operator of tensors that ONNX has too."""
    return lambda graph, node: graph.emit(op, *map(graph.value, sources(node)), **attributes)


OPERATORS: Operators = {
    "Add": channelwise,
    "AddN": same("Sum"),
    "BiasAdd": channelwise,
    "ConcatV2": concat,
    "Conv2D": convolution,
    "DepthwiseConv2dNative": convolution,
    "FusedBatchNorm": channelwise,
    "Mul": channelwise,
    "Relu6": partial(clip, low=0.0, high=6.0),
    "Reshape": reshape,
    "Sigmoid": same("Sigmoid"),
    "Softmax": same("Softmax", axis=-1),
    "Squeeze": squeeze,
}


def convert(
    nodes: Mapping[str, Node],
    params: dict[str, Array],
    classes: Sequence[int],
    size: int,
    mean: list[float],
    std: list[float],
) -> onnx.ModelProto:
    """Return the network with its preprocessing in front and without its non-maximum suppression behind.

    classes: which of the network's classes (0 is the background) are wanted, in the order of the scores.
    Inputs and outputs as those of `operators.convert`. Raises ConversionError for a graph that is no SSD of that API's,
    or one that was trained on images of another size or otherwise normalised.
    """
    graph = Graph(nodes, params, OPERATORS, "Const")
    check_preprocessing(graph, size, mean, std)
    graph.values[PIXELS_OFFSET] = normalised(graph, resized(graph, size), mean, std)
    scores = graph.emit("Gather", graph.value(SCORES), graph.ints(*classes), axis=2)
    return finished(graph, scores, decoded(graph))


def check_preprocessing(graph: Graph, size: int, mean: list[float], std: list[float]) -> None:
    """Compare with what the graph itself does: resize to size x size, then pixels * factor - offset."""
    factor, offset = operand(graph, PIXELS_FACTOR), operand(graph, PIXELS_OFFSET)
    own = (*constant(graph, SIZE), *[offset / (255 * factor)] * 3, *[1 / (255 * factor)] * 3)
    if not np.allclose(own, (size, size, *mean, *std), atol=1e-4):
        height, width, mean_of_graph, *_, std_of_graph = (round(float(each), 4) for each in own)
        raise ConversionError(
            f"the graph takes {width:g}x{height:g} pixels with mean {mean_of_graph} and std {std_of_graph}, "
            f"model.json says {size}x{size}, {mean} and {std}"
        )


def resized(graph: Graph, size: int) -> str:
    """Resize as TensorFlow does it, bilinear from the upper left corner; an image that fits stays what it is."""
    how = {"mode": "linear", "coordinate_transformation_mode": "asymmetric"}
    return graph.emit("Resize", planes(graph), "", "", graph.ints(1, 3, size, size), **how)


def decoded(graph: Graph) -> str:
    """Offsets to anchors → corners in pixels of the image; TensorFlow has y before x, and the unit square."""
    offsets = graph.emit("Gather", graph.value(OFFSETS), graph.ints(1, 0, 3, 2), axis=2)
    y_min, x_min, y_max, x_max = constant(graph, ANCHORS).astype(np.float64)[0].T
    centres = (x_min + x_max) / 2, (y_min + y_max) / 2, x_max - x_min, y_max - y_min
    anchors = graph.constant("anchors", np.stack(centres, axis=1)[None])
    boxes = corners(graph, offsets, anchors, [operand(graph, name) for name in BOX_FACTORS])
    shape = graph.emit("Gather", graph.emit("Shape", "image"), graph.ints(2, 1, 2, 1), axis=0)
    return graph.emit("Mul", boxes, graph.emit("Cast", shape, to=onnx.TensorProto.FLOAT))


def operands(graph: Graph, node: Node) -> tuple[list[str], list[Array]]:
    """Return which of a node's inputs are computed, by name, and the values of those that are constants."""
    constant = [name for name in sources(node) if graph.node(name)["op"] == graph.variable]
    return [name for name in sources(node) if name not in constant], [graph.param(name) for name in constant]


def operand(graph: Graph, name: str) -> float:
    """Return the one constant number among the inputs of a node."""
    _, constants = operands(graph, graph.node(name))
    if len(constants) != 1 or constants[0].size != 1:
        raise ConversionError(f"{name} is no operation with one constant number")
    return float(constants[0].item())


def constant(graph: Graph, name: str) -> Array:
    """Return the value of a node that must be a constant."""
    if graph.node(name)["op"] != graph.variable:
        raise ConversionError(f"{name} is no constant")
    return graph.param(name)


def sources(node: Node) -> list[str]:
    """Return the names of the nodes that a node takes its inputs from."""
    return [name.split(":")[0] for name in node["input"] if not name.startswith("^")]


def numbers(node: Node, name: str, default: list[int] | None = None) -> list[int]:
    """Read a list of integers among a node's attributes."""
    if name not in node["attr"] and default:
        return default
    return [int(each) for each in node["attr"][name]["list"]["i"]]


def text(node: Node, name: str) -> str:
    """Read text among a node's attributes: base64, or a list of bytes."""
    value = node["attr"][name]["s"]
    return (base64.b64decode(value) if isinstance(value, str) else bytes(value)).decode()
