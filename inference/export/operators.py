"""An SSD as an MXNet symbol → the same network as ONNX, one row of OPERATORS per MXNet operator.

The anchors are taken as the constants that they are in the weights and cut to each feature map, as GluonCV
does, so that the graph takes any height and width. Needs numpy and onnx, not MXNet.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from inference.export.graph import (
    Array,
    ConversionError,
    Graph,
    Node,
    Operators,
    corners,
    finished,
    normalised,
    planes,
)


def convolution(graph: Graph, node: Node, scale: Array | None = None, shift: Array | None = None) -> str:
    """Convolution; scale and shift of a batch normalisation behind it go into its weights."""
    source, weights, *bias = inputs(node)
    kernel = graph.param(weights)
    offset = graph.param(bias[0]) if bias else np.zeros(len(kernel), np.float32)
    if scale is not None and shift is not None:
        kernel, offset = kernel * scale[:, None, None, None], offset * scale + shift
    name = node["name"]
    return graph.emit(
        "Conv",
        graph.value(source),
        graph.constant(name + "_kernel", kernel),
        graph.constant(name + "_bias", offset),
        kernel_shape=attribute(node, "kernel"),
        strides=attribute(node, "stride", (1, 1)),
        dilations=attribute(node, "dilate", (1, 1)),
        pads=attribute(node, "pad", (0, 0)) * 2,
        group=attribute(node, "num_group", 1),
    )


def batch_norm(graph: Graph, node: Node) -> str:
    """Batch normalisation with its moving averages: always behind a convolution in these networks."""
    source, *parameters = inputs(node)
    gamma, beta, mean, variance = (graph.param(p).astype(np.float64) for p in parameters)
    if attribute(node, "fix_gamma", True):
        gamma = np.ones_like(gamma)
    scale = gamma / np.sqrt(variance + attribute(node, "eps", 1e-3))
    if graph.node(source)["op"] != "Convolution":
        raise ConversionError(f"{node['name']} normalises something other than a convolution")
    return convolution(graph, graph.node(source), scale, beta - mean * scale)


def activation(graph: Graph, node: Node) -> str:
    """Only relu occurs."""
    if attribute(node, "act_type") != "relu":
        raise ConversionError(f"no conversion for activation {attribute(node, 'act_type')}")
    return graph.emit("Relu", graph.value(inputs(node)[0]))


def clip(graph: Graph, node: Node) -> str:
    """Clip between two numbers: relu6."""
    low, high = float(attribute(node, "a_min")), float(attribute(node, "a_max"))
    bounds = (graph.constant(f"number_{bound}", bound) for bound in (low, high))
    return graph.emit("Clip", graph.value(inputs(node)[0]), *bounds)


def pooling(graph: Graph, node: Node) -> str:
    """Largest or mean value, over windows or over everything."""
    kind = {"max": "MaxPool", "avg": "AveragePool"}[attribute(node, "pool_type", "max")]
    source = graph.value(inputs(node)[0])
    if attribute(node, "global_pool", False):
        return graph.emit("Global" + kind, source)
    extra = {"count_include_pad": int(attribute(node, "count_include_pad", True))} if kind == "AveragePool" else {}
    return graph.emit(
        kind,
        source,
        kernel_shape=attribute(node, "kernel"),
        strides=attribute(node, "stride", (1, 1)),
        pads=attribute(node, "pad", (0, 0)) * 2,
        ceil_mode=int(attribute(node, "pooling_convention", "valid") == "full"),
        **extra,
    )


def l2_normalization(graph: Graph, node: Node) -> str:
    """Divide by the length over the channels, as VGG's first feature map has it."""
    if attribute(node, "mode", "instance") != "channel":
        raise ConversionError("no conversion for L2Normalization other than over channels")
    source = graph.value(inputs(node)[0])
    square = graph.emit("ReduceSum", graph.emit("Mul", source, source), graph.ints(1), keepdims=1)
    epsilon = float(attribute(node, "eps", 1e-10))
    return graph.emit("Div", source, graph.emit("Sqrt", graph.emit("Add", square, graph.number(epsilon))))


def reshape(graph: Graph, node: Node) -> str:
    """Reshape; 0 and -1 mean the same in both worlds, other codes do not occur."""
    shape = attribute(node, "shape")
    if min(shape) < -1:
        raise ConversionError(f"no conversion for the shape {shape}")
    return graph.emit("Reshape", graph.value(inputs(node)[0]), graph.ints(*shape))


def flatten(graph: Graph, node: Node) -> str:
    """Everything but the first axis becomes one."""
    return graph.emit("Flatten", graph.value(inputs(node)[0]), axis=1)


def transpose(graph: Graph, node: Node) -> str:
    """Reorder axes."""
    return graph.emit("Transpose", graph.value(inputs(node)[0]), perm=attribute(node, "axes"))


def concat(graph: Graph, node: Node) -> str:
    """Put tensors one behind the other."""
    return graph.emit("Concat", *map(graph.value, inputs(node)), axis=attribute(node, "dim", 1))


def softmax(graph: Graph, node: Node) -> str:
    """Scores of each anchor over the classes."""
    return graph.emit("Softmax", graph.value(inputs(node)[0]), axis=attribute(node, "axis", -1))


def slice_like(graph: Graph, node: Node) -> str:
    """Cut the anchors to the feature map's height and width; only the shape of the second input counts."""
    anchors, like = inputs(node)
    while graph.node(like)["op"] == "_mul_scalar":
        like = inputs(graph.node(like))[0]
    axes = attribute(node, "axes")
    shape = graph.emit("Gather", graph.emit("Shape", graph.value(like)), graph.ints(*axes), axis=0)
    start = graph.ints(*(0 for _ in axes))
    return graph.emit("Slice", graph.value(anchors), start, shape, graph.ints(*axes))


def box_decode(graph: Graph, node: Node) -> str:
    """Offsets to anchors (centre, size) → corners in pixels of the tensor."""
    if attribute(node, "format", "corner") != "center" or float(attribute(node, "clip", -1)) > 0:
        raise ConversionError("no conversion for box_decode other than from unclipped centres")
    offsets, anchors = map(graph.value, inputs(node))
    return corners(graph, offsets, anchors, [float(attribute(node, f"std{i}", 1)) for i in range(4)])


def binary(op: str) -> Callable[[Graph, Node], str]:
    """Return the conversion of an operator of two tensors that ONNX has too."""
    return lambda graph, node: graph.emit(op, *map(graph.value, inputs(node)))


OPERATORS: Operators = {
    "Activation": activation,
    "BatchNorm": batch_norm,
    "Concat": concat,
    "Convolution": convolution,
    "Flatten": flatten,
    "L2Normalization": l2_normalization,
    "Pooling": pooling,
    "Reshape": reshape,
    "_contrib_box_decode": box_decode,
    "broadcast_add": binary("Add"),
    "broadcast_mul": binary("Mul"),
    "clip": clip,
    "elemwise_add": binary("Add"),
    "slice_like": slice_like,
    "softmax": softmax,
    "transpose": transpose,
}


def convert(symbol: dict[str, Any], params: dict[str, Array], mean: list[float], std: list[float]) -> onnx.ModelProto:
    """Return the network with its normalisation in front and without its non-maximum suppression behind.

    Input `image`: uint8 (1, H, W, 3), RGB. Outputs: `scores` (1, N, classes) without the background, `boxes`
    (1, N, 4) as x_min, y_min, x_max, y_max in pixels of the input, both float32, one row per anchor.
    Raises ConversionError for a symbol that is no SSD of GluonCV's.
    """
    graph = Graph(symbol["nodes"], params, OPERATORS, "null")
    graph.values[only(graph, "null", "data")] = normalised(graph, planes(graph), mean, std)
    scores = graph.part(graph.value(only(graph, "softmax")), 1, 2**31 - 1)
    return finished(graph, scores, graph.value(only(graph, "_contrib_box_decode")))


def only(graph: Graph, op: str, name: str | None = None) -> int:
    """Return the number of the one MXNet node with this operator (and name)."""
    found = [i for i, n in enumerate(graph.source) if n["op"] == op and name in (None, n["name"])]
    if len(found) != 1:
        raise ConversionError(f"an SSD has one {name or op}, this symbol has {len(found)}")
    return found[0]


def inputs(node: Node) -> list[int]:
    """Return the numbers of the nodes that a node takes its inputs from."""
    return [entry[0] for entry in node["inputs"]]


def attribute(node: Node, name: str, default: Any = None) -> Any:
    """Read one attribute of an MXNet node; they are stored as text."""
    text = (node.get("attrs") or {}).get(name)
    if text is None:
        return default
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
