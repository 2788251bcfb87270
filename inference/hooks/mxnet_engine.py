"""The engine of AWS's containers: GluonCV's networks, or symbol and parameters, on MXNet.

Runs on Python 3.6 and later. GluonCV is imported only where a network has to be built by its name.
"""

import contextlib
import glob
import importlib.util
import logging
import os
import threading
from collections import namedtuple
from typing import TYPE_CHECKING, Any, Iterator

import mxnet as mx
import numpy as np

from codec import Detections
from errors import BadImage, ModelNotUsable
from resizing import resize
from weights import pretrained

if TYPE_CHECKING:
    from manifest import Manifest

log = logging.getLogger(__name__)

# context: where parameters and images go. backend: what the symbol is optimised for, or None. fixed: whether
# every image must have one size. why: the choice in words.
Place = namedtuple("Place", "context backend fixed why")


class MxnetDetector(mx.gluon.Block):
    """Calls to an SSD; a Gluon block, because the containers accept nothing else from model_fn."""

    def __init__(self, network: Any, manifest: "Manifest", place: Place) -> None:
        super().__init__()
        self.network = network
        self.about = {"name": manifest.name, "version": manifest.version}
        self.floor, self.size, self.fit = manifest.score_floor, manifest.input_size, manifest.fit
        self._mean, self._std = tuple(manifest.mean), tuple(manifest.std)
        self._place = place
        self._lock = threading.Lock()

    def forward(self, image: Any) -> Detections:
        """Detect in one image, uint8 (H, W, 3), RGB; boxes in its pixels. MXNet takes one thread at a time."""
        canvas = resize(image, self.size, self.size) if self._must_fit(image) else image
        with self._lock:
            tensor = mx.nd.image.to_tensor(mx.nd.array(canvas, dtype="uint8"))
            tensor = mx.nd.image.normalize(tensor, mean=self._mean, std=self._std).expand_dims(0)
            ids, scores, boxes = (out[0].asnumpy() for out in self.network(tensor.as_in_context(self._place.context)))
        return Detections((1, 3, *image.shape[:2]), ids, scores, scaled(boxes, ids, canvas.shape, image.shape))

    def _must_fit(self, image: Any) -> bool:
        return bool(self._place.fixed and image.shape[:2] != (self.size, self.size))


def scaled(boxes: Any, ids: Any, canvas: "tuple[int, ...]", image: "tuple[int, ...]") -> Any:
    """Take boxes from a canvas's pixels to an image's; rows without a detection stay as they are."""
    if canvas == image:
        return boxes
    factors = np.array([image[1] / canvas[1], image[0] / canvas[0]] * 2, np.float32)
    return np.where(ids >= 0, boxes * factors, boxes)


def load(model_dir: str, manifest: "Manifest") -> MxnetDetector:
    """Load and warm up a model directory. Raises ModelNotUsable where it holds nothing to serve."""
    place = choose_place()
    log.info("MXNet %s runs on %s: %s", mx.__version__, place.context, place.why)
    network = build(model_dir, manifest, place.context)
    if place.backend:
        network = optimised(network, place.backend)
    network.hybridize(static_alloc=True, static_shape=place.fixed)
    detector = MxnetDetector(network, manifest, place)
    detector(mx.nd.zeros((manifest.input_size, manifest.input_size, 3), dtype="uint8").asnumpy())
    return detector


def choose_place() -> Place:
    """Choose Elastic Inference, a GPU or the CPU, in this order.

    An accelerator is reached by `mx.eia()` in AWS's MXNet 1.4.1 and 1.5.1, by the library `eimx` in 1.7.0. It
    compiles for one image size and does so again for any other.
    """
    attached = os.environ.get("SAGEMAKER_INFERENCE_ACCELERATOR_PRESENT") == "true"
    if attached and hasattr(mx, "eia"):
        return Place(mx.eia(), None, True, "an Elastic Inference accelerator is attached, and mx.eia is there")
    if attached and importlib.util.find_spec("eimx"):
        return Place(mx.cpu(), "EIA", True, "an Elastic Inference accelerator is attached, and eimx is there")
    lacking = "no Elastic Inference accelerator is attached"
    if attached:
        lacking = "an Elastic Inference accelerator is attached, but this MXNet has neither mx.eia nor eimx"
    if mx.context.num_gpus():
        return Place(mx.gpu(), None, False, lacking + ", and there is a GPU")
    return Place(mx.cpu(), None, False, lacking + ", and there is no GPU")


def optimised(network: Any, backend: str) -> Any:
    """Return the network as a block of its symbol, prepared for eimx's backend."""
    importlib.import_module("eimx")  # registers the backend
    data = mx.sym.var("data")
    symbol = mx.sym.Group(list(network(data))).optimize_for(backend)
    return mx.gluon.SymbolBlock(symbol, data, params=network.collect_params())


def build(model_dir: str, manifest: "Manifest", context: Any) -> Any:
    """Return the network of a model directory: symbol and parameters, or a network of GluonCV's with parameters.

    Without either it is GluonCV's with its pretrained weights.
    """
    symbols, params = (sorted(glob.glob(os.path.join(model_dir, end))) for end in ("*-symbol.json", "*.params"))
    path = params[0] if params and os.path.getsize(params[0]) else pretrained(manifest.network)
    if not symbols:
        return zoo_network(manifest, path, context)
    with reading(path):
        return mx.gluon.SymbolBlock.imports(symbols[0], ["data"], path, ctx=context)


@contextlib.contextmanager
def reading(path: str) -> "Iterator[None]":
    """Raise ModelNotUsable, in one line, for whatever MXNet says of a file of weights."""
    try:
        yield
    except Exception as exc:  # its own kind, with many lines, and plain ones for what does not fit
        raise ModelNotUsable(f"{os.path.basename(path)} cannot be loaded") from exc


def zoo_network(manifest: "Manifest", params: str, context: Any) -> Any:
    """Build a network of GluonCV's by its name, with these parameters, the anchors in them included."""
    try:
        from gluoncv import model_zoo
    except ImportError as exc:
        raise ModelNotUsable("GluonCV is not installed: only a symbol with parameters works without it") from exc
    classes = {"classes": manifest.labels} if manifest.network.endswith("_custom") else {}
    try:
        network = model_zoo.get_model(manifest.network, pretrained_base=False, **classes)
    except ValueError as exc:
        raise ModelNotUsable(f"GluonCV has no network {manifest.network}") from exc
    with reading(params):
        network.load_parameters(params, ctx=context)
    return narrowed(network, manifest.labels)


def narrowed(network: Any, labels: "list[str]") -> Any:
    """Reset a pretrained network to some of the classes that it knows; their weights stay as they are."""
    unknown = sorted(set(labels) - set(network.classes))
    if unknown:
        raise ModelNotUsable("the network was not trained on {}".format(", ".join(unknown)))
    if list(network.classes) != labels:
        network.reset_class(labels, reuse_weights=labels)
    return network


def imdecode(data: bytes) -> Any:
    """Decode an image with MXNet's OpenCV; its many-line errors stay here, since they hang an old container."""
    try:
        return mx.image.imdecode(data).asnumpy()
    except mx.base.MXNetError as exc:
        raise BadImage("the image cannot be decoded: it is damaged or truncated") from exc
