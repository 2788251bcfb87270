"""The engine for plain CPUs: an ONNX file of ours on OpenVINO. No MXNet anywhere on this path.

The one hook that needs Python 3.11: it runs in our own container, never in AWS's.
"""

import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # else OpenVINO reports every import to a host
import openvino

import nms
from codec import Detections
from cores import usable_cores
from errors import ModelNotUsable
from manifest import Manifest

# How often an image size other than the model's own must come before it gets a network of its own.
FREQUENT = 8


class OnnxDetector:
    """Calls to an SSD that the export has written. One network per frequent image size, one for all others.

    A fixed size is up to twice as fast as an open one, and costs a second and memory to prepare.
    """

    def __init__(self, path: str, manifest: Manifest) -> None:
        self.about = {"name": manifest.name, "version": manifest.version}
        self.floor, self.size, self.fit = manifest.score_floor, manifest.input_size, manifest.fit
        self._file = Path(path).read_bytes()  # what lies there later may be another model
        self._core = openvino.Core()
        self._networks: dict[tuple[int, int] | None, openvino.InferRequest] = {}
        self._own: tuple[int, int] | None = None
        self._seen: Counter[tuple[int, int]] = Counter()
        self._lock = threading.Lock()

    def __call__(self, image: Any) -> Detections:
        """Detect in one image, uint8 (H, W, 3), RGB; boxes in its pixels. Safe to call from many threads."""
        return nms.detections(*self.candidates(image), (1, 3, *image.shape[:2]))

    def candidates(self, image: Any) -> "tuple[Any, Any]":
        """Return what the network says of each anchor: scores (N, classes) without the background, boxes (N, 4)."""
        size = image.shape[0], image.shape[1]
        with self._lock:  # a network uses every core, so two at once would only be slower
            network = self._network(size)
            network.infer([image[None]])
            scores, boxes = (network.get_tensor(name).data[0].copy() for name in ("scores", "boxes"))
        return scores, boxes

    def prepare(self, size: "tuple[int, int]") -> None:
        """Compile for this image size and run once, so that the first request is not slower than the next."""
        self._own = size
        self(np.zeros((*size, 3), np.uint8))

    def _network(self, size: "tuple[int, int]") -> "openvino.InferRequest":
        self._seen[size] += 1
        key = size if size == self._own or self._frequent(size) else None
        if key not in self._networks:
            self._networks[key] = self._compile(key)
        return self._networks[key]

    def _frequent(self, size: "tuple[int, int]") -> bool:
        if size in self._networks:
            return True
        others = [known for known in self._networks if known not in (None, self._own)]
        return not others and self._seen[size] >= FREQUENT

    def _compile(self, size: "tuple[int, int] | None") -> "openvino.InferRequest":
        network = self._core.read_model(self._file)
        if size:
            network.reshape([1, *size, 3])
        return self._core.compile_model(network, "CPU", settings()).create_infer_request()


def settings() -> "dict[str, Any]":
    """Return OpenVINO's settings: one request at a time on all cores, in float32 even where bfloat16 is faster."""
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_NUM_THREADS": int(os.environ.get("DETECT_THREADS") or usable_cores()),
        "INFERENCE_PRECISION_HINT": "f32",
        "ENABLE_CPU_PINNING": False,  # another process may be on the same cores
    }


def load(model_dir: str, manifest: Manifest) -> OnnxDetector:
    """Load and warm up the ONNX file of a model directory. Raises ModelNotUsable where it cannot be."""
    path = sorted(Path(model_dir).glob("*.onnx"))[0]
    detector = OnnxDetector(str(path), manifest)
    try:
        detector.prepare((manifest.input_size, manifest.input_size))
    except RuntimeError as exc:
        raise ModelNotUsable(f"{path.name} is not a model that inference.export has written") from exc
    return detector
