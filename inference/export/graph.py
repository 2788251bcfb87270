"""A network on its way to ONNX: the nodes written so far, and what every SSD begins and ends with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17

Node: TypeAlias = dict[str, Any]
Array: TypeAlias = NDArray[Any]
Operators: TypeAlias = "dict[str, Callable[[Graph, Node], str]]"


class ConversionError(ValueError):
    """The network holds something that no SSD of the families known here does."""


class Graph:
    """The ONNX nodes written so far. `values` maps the key of a source node to the name of its ONNX tensor.

    The source's nodes are a list (MXNet, by number) or a mapping (TensorFlow, by name); `variable` is the operator
    of those that stand for weights.
    """

    def __init__(self, source: Any, params: dict[str, Array], operators: Operators, variable: str) -> None:
        self.source = source
        self.params = params
        self.operators = operators
        self.variable = variable
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.values: dict[int | str, str] = {}

    def emit(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and name that output."""
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: Any, dtype: Any = np.float32) -> str:
        """Add a constant, once per name."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array, dtype), name)
        return name

    def number(self, value: float) -> str:
        """Add a constant scalar."""
        return self.constant(f"number_{value}", value)

    def ints(self, *numbers: int) -> str:
        """Add a constant vector of int64, as ONNX requires for shapes and axes."""
        return self.constant("ints_" + "_".join(map(str, numbers)), numbers, np.int64)

    def part(self, source: str, begin: int, end: int) -> str:
        """Cut the last axis."""
        return self.emit("Slice", source, self.ints(begin), self.ints(end), self.ints(-1))

    def node(self, key: int | str) -> Node:
        """Look up a node of the source."""
        try:
            node: Node = self.source[key]
        except KeyError as exc:
            raise ConversionError(f"the network lacks {key}") from exc
        return node

    def param(self, key: int | str) -> Array:
        """Return the weights that a variable of the source stands for."""
        name = self.node(key)["name"]
        if name not in self.params:
            raise ConversionError(f"the parameters lack {name}")
        return self.params[name]

    def value(self, key: int | str) -> str:
        """Return the ONNX tensor of a source node, converting it and what it needs first."""
        if key not in self.values:
            self.values[key] = self._convert(key)
        return self.values[key]

    def _convert(self, key: int | str) -> str:
        node = self.node(key)
        if node["op"] == self.variable:
            return self.constant(node["name"], self.param(key))
        if node["op"] not in self.operators:
            raise ConversionError(f"no conversion for operator {node['op']} ({node['name']})")
        return self.operators[node["op"]](self, node)


def planes(graph: Graph) -> str:
    """The uint8 image, channels last → float tensor, channels first."""
    return graph.emit("Cast", graph.emit("Transpose", "image", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)


def normalised(graph: Graph, source: str, mean: list[float], std: list[float]) -> str:
    """Pixels from 0 to 255 → (pixels / 255 - mean) / std, per channel."""
    scale = graph.constant("scale", 1 / (255 * np.array(std)).reshape(1, 3, 1, 1))
    shift = graph.constant("shift", (-np.array(mean) / np.array(std)).reshape(1, 3, 1, 1))
    return graph.emit("Add", graph.emit("Mul", source, scale), shift)


def corners(graph: Graph, offsets: str, anchors: str, std: list[float]) -> str:
    """Offsets to anchors, both as x, y of the centre, width and height → x_min, y_min, x_max, y_max."""
    centre_step, size_step = graph.part(offsets, 0, 2), graph.part(offsets, 2, 4)
    centre_step = graph.emit("Mul", centre_step, graph.constant("std_centre", std[:2]))
    size_step = graph.emit("Mul", size_step, graph.constant("std_size", std[2:]))
    anchor_centre, anchor_size = graph.part(anchors, 0, 2), graph.part(anchors, 2, 4)
    centre = graph.emit("Add", graph.emit("Mul", centre_step, anchor_size), anchor_centre)
    half = graph.emit("Mul", graph.emit("Exp", size_step), graph.emit("Mul", anchor_size, graph.number(0.5)))
    return graph.emit("Concat", graph.emit("Sub", centre, half), graph.emit("Add", centre, half), axis=-1)


def finished(graph: Graph, scores: str, boxes: str) -> onnx.ModelProto:
    """Wrap the nodes into a checked model with these two outputs."""
    for name, source in (("scores", scores), ("boxes", boxes)):
        graph.nodes.append(helper.make_node("Identity", [source], [name], name=name))
    value = helper.make_tensor_value_info
    image = value("image", TensorProto.UINT8, [1, "height", "width", 3])
    outputs = [value(name, TensorProto.FLOAT, [1, "anchors", None]) for name in ("scores", "boxes")]
    body = helper.make_graph(graph.nodes, "ssd", [image], outputs, initializer=list(graph.constants.values()))
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model)
    return model
