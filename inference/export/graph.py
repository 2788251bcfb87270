"""An MXNet symbol on its way to ONNX: the nodes written so far, and the way from one world's names to the other's."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Node: TypeAlias = dict[str, Any]
Array: TypeAlias = NDArray[Any]
Operators: TypeAlias = "dict[str, Callable[[Graph, Node], str]]"


class ConversionError(ValueError):
    """The symbol holds something that an SSD of GluonCV's zoo does not."""


class Graph:
    """The ONNX nodes written so far. `values` maps an MXNet node's number to the name of its ONNX tensor."""

    def __init__(self, symbol: dict[str, Any], params: dict[str, Array], operators: Operators) -> None:
        self.operators = operators
        self.symbol: list[Node] = symbol["nodes"]
        self.params = params
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.values: dict[int, str] = {}

    def emit(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Add a node with one output, and name that output."""
        output = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: Any, dtype: Any = np.float32) -> str:
        """Add a constant, once per name."""
        self.constants[name] = numpy_helper.from_array(np.ascontiguousarray(array, dtype), name)
        return name

    def ints(self, *numbers: int) -> str:
        """Add a constant vector of int64, as ONNX wants shapes and axes."""
        return self.constant("ints_" + "_".join(map(str, numbers)), numbers, np.int64)

    def node(self, index: int) -> Node:
        """Look up an MXNet node."""
        return self.symbol[index]

    def param(self, index: int) -> Array:
        """Return the weights that an MXNet variable stands for."""
        name = self.node(index)["name"]
        if name not in self.params:
            raise ConversionError(f"the parameters lack {name}")
        return self.params[name]

    def value(self, index: int) -> str:
        """Return the ONNX tensor of an MXNet node, converting it and what it needs first."""
        if index not in self.values:
            self.values[index] = self._convert(index)
        return self.values[index]

    def _convert(self, index: int) -> str:
        node = self.node(index)
        if node["op"] == "null":
            return self.constant(node["name"], self.param(index))
        if node["op"] not in self.operators:
            raise ConversionError(f"no conversion for operator {node['op']} ({node['name']})")
        return self.operators[node["op"]](self, node)


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
