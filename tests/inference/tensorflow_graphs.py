"""TensorFlow.js: the program that runs a graph on it, and graphs that are small enough to be made on the spot."""

import base64
import json
import math
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import ROOT

RUN = ROOT / "tests" / "tensorflowjs" / "run.mjs"
SIZE = 32


def run(graph: Path, images: Sequence[Any], *nodes: str) -> list[list[Any]]:
    """What TensorFlow.js computes at these nodes from each image, uint8 (H, W, 3): flat float32 arrays."""
    lines = [
        json.dumps({"shape": [1, *image.shape], "pixels": base64.b64encode(image.tobytes()).decode()})
        for image in images
    ]
    command = ["node", str(RUN), str(graph), *nodes]
    ended = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return [
        [np.frombuffer(base64.b64decode(one), "<f4") for one in json.loads(line)] for line in ended.stdout.splitlines()
    ]


class TinySsd:
    """An SSD of one feature map, 4x4 with two anchors a place, three classes and the background, weights at random."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.weights: list[tuple[str, Any]] = []
        self.random = np.random.default_rng(7)
        self.add("image_tensor", "Placeholder", dtype={"type": 4}, shape={"shape": {"dim": [{"size": -1}] * 4}})
        self.preprocess()
        self.predict(self.features())

    def add(self, name: str, op: str, *inputs: str, **attributes: Any) -> str:
        self.nodes.append({"name": name, "op": op, "input": list(inputs), "attr": attributes})
        return name

    def constant(self, name: str, values: Any, dtype: str = "float32") -> str:
        self.weights.append((name, np.asarray(values, dtype)))
        return self.add(name, "Const", dtype={"type": {"float32": 1, "int32": 3}[dtype]})

    def some(self, name: str, *shape: int) -> str:
        return self.constant(name, self.random.normal(0, 0.4, shape))

    def preprocess(self) -> None:
        self.constant("Preprocessor/map/while/ResizeImage/stack", [SIZE, SIZE], "int32")
        self.add("float", "Cast", "image_tensor", SrcT={"type": 4}, DstT={"type": 1})
        self.add(
            "resized", "ResizeBilinear", "float", "Preprocessor/map/while/ResizeImage/stack", align_corners={"b": False}
        )
        self.add("Preprocessor/mul", "Mul", self.constant("factor", 2 / 255), "resized")
        self.add("Preprocessor/sub", "Sub", "Preprocessor/mul", self.constant("one", 1.0))

    def conv(self, name: str, source: str, kernel: str, stride: int, op: str = "Conv2D") -> str:
        return self.add(
            name,
            op,
            source,
            kernel,
            strides={"list": {"i": [1, stride, stride, 1]}},
            dilations={"list": {"i": [1, 1, 1, 1]}},
            padding={"s": base64.b64encode(b"SAME").decode()},
            data_format={"s": base64.b64encode(b"NHWC").decode()},
        )

    def features(self) -> str:
        """Every operator that scales or shifts, on a convolution and on none, and sums of two tensors."""
        first = self.conv("first", "Preprocessor/sub", self.some("w0", 3, 3, 3, 8), 4)
        normal = [self.some("gamma", 8), self.some("beta", 8), self.some("mean", 8)]
        spread = self.constant("spread", self.random.uniform(0.5, 2, 8))
        first = self.add(
            "normal", "FusedBatchNorm", first, *normal, spread, epsilon={"f": 1e-3}, is_training={"b": False}
        )
        first = self.add("relu", "Relu6", first)
        deep = self.conv("deep", first, self.some("w1", 3, 3, 8, 2), 2, "DepthwiseConv2dNative")
        deep = self.add("scaled", "Mul", deep, self.some("by", 16))
        deep = self.add("shifted", "Add", self.some("bias", 16), deep)
        other = self.conv("other", first, self.some("w2", 1, 1, 8, 16), 2)
        both = self.add("both", "AddN", deep, other, N={"i": 2})
        both = self.add("added", "Add", both, other)
        return self.add("raised", "Add", self.some("offset", 16), both)

    def predict(self, features: str) -> None:
        self.constant("axis", 1, "int32")
        self.add("Squeeze", "Squeeze", self.rows("boxes", features, 1, 4), squeeze_dims={"list": {"i": [2]}})
        self.add("Postprocessor/convert_scores", "Softmax", self.rows("classes", features, 4))
        y_min, x_min = self.random.uniform(0, 0.5, (2, 32))
        anchors = np.stack((y_min, x_min, y_min + 0.3, x_min + 0.4), axis=1)[None]
        self.constant("Postprocessor/ExpandDims", anchors)
        for end, factor in (("", 0.1), ("_1", 0.1), ("_2", 0.2), ("_3", 0.2)):
            self.add(f"Postprocessor/Decode/div{end}", "Mul", "Squeeze", self.constant(f"variance{end}", factor))

    def rows(self, name: str, features: str, *shape: int) -> str:
        """A predictor of two anchors a place, one row each."""
        head = self.conv(f"{name}/conv", features, self.some(f"{name}/w", 1, 1, 16, 2 * math.prod(shape)), 1)
        head = self.add(f"{name}/bias", "BiasAdd", head, self.some(f"{name}/b", 2 * math.prod(shape)))
        sides = [self.constant(f"{name}/{at}", side, "int32") for at, side in enumerate((1, 32, *shape))]
        shaped = self.add(f"{name}/shape", "Pack", *sides, N={"i": len(sides)}, axis={"i": 0})
        return self.add(f"{name}/rows", "ConcatV2", self.add(f"{name}/r", "Reshape", head, shaped), "axis", N={"i": 1})

    def save(self, folder: Path) -> Path:
        """Write model.json and its shards, cut where no weight ends; the path of model.json."""
        content = b"".join(values.tobytes() for _, values in self.weights)
        (folder / "shard1").write_bytes(content[:1001])
        (folder / "shard2").write_bytes(content[1001:])
        listed = [{"name": name, "shape": list(v.shape), "dtype": str(v.dtype)} for name, v in self.weights]
        manifest = [{"paths": ["shard1", "shard2"], "weights": listed}]
        graph = {"modelTopology": {"node": self.nodes, "versions": {}}, "weightsManifest": manifest}
        (folder / "graph.json").write_text(json.dumps(graph))
        return folder / "graph.json"
