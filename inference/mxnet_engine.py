"""The engine of AWS's containers: GluonCV's networks, or symbol and parameters, on MXNet.

Runs on Python 3.6 and later. GluonCV is imported only where a network has to be built by its name.
"""

import glob
import os
import threading
from typing import TYPE_CHECKING, Any

import mxnet as mx

from codec import Detections
from errors import BadPicture, ModelNotUsable

if TYPE_CHECKING:
    from manifest import Manifest


class MxnetDetector(mx.gluon.Block):
    """Calls to an SSD; a Gluon block, because the containers accept nothing else from model_fn."""

    def __init__(self, network: Any, manifest: "Manifest", context: Any) -> None:
        super().__init__()
        self.network = network
        self.about = {"name": manifest.name, "version": manifest.version}
        self._mean, self._std = tuple(manifest.mean), tuple(manifest.std)
        self._context = context
        self._lock = threading.Lock()

    def forward(self, picture: Any) -> Detections:
        """Detect in one picture, uint8 (H, W, 3), RGB; boxes in its pixels. MXNet takes one thread at a time."""
        with self._lock:
            tensor = mx.nd.image.to_tensor(mx.nd.array(picture, dtype="uint8"))
            tensor = mx.nd.image.normalize(tensor, mean=self._mean, std=self._std).expand_dims(0)
            ids, scores, boxes = (out[0].asnumpy() for out in self.network(tensor.as_in_context(self._context)))
        return Detections(tensor.shape, ids, scores, boxes)


def load(model_dir: str, manifest: "Manifest") -> MxnetDetector:
    """Load and warm up a model directory. Raises ModelNotUsable where it holds nothing to serve."""
    context = mx.gpu() if mx.context.num_gpus() else mx.cpu()
    network = build(model_dir, manifest, context)
    network.hybridize(static_alloc=True)
    detector = MxnetDetector(network, manifest, context)
    detector(mx.nd.zeros((manifest.input_size, manifest.input_size, 3), dtype="uint8").asnumpy())
    return detector


def build(model_dir: str, manifest: "Manifest", context: Any) -> Any:
    """Return the network of a model directory: symbol and parameters, or a network of GluonCV's with parameters."""
    symbols, params = (sorted(glob.glob(os.path.join(model_dir, end))) for end in ("*-symbol.json", "*.params"))
    if not params or not os.path.getsize(params[0]):
        raise ModelNotUsable("the model directory holds neither *.onnx nor *.params")
    try:
        if symbols:
            return mx.gluon.SymbolBlock.imports(symbols[0], ["data"], params[0], ctx=context)
        return zoo_network(manifest, params[0], context)
    except Exception as exc:  # MXNet raises its own kind, with many lines, for anything wrong in a file
        raise ModelNotUsable(f"{os.path.basename(params[0])} cannot be loaded") from exc


def zoo_network(manifest: "Manifest", params: str, context: Any) -> Any:
    """Build a network of GluonCV's by its name, with these parameters, the anchors in them included."""
    from gluoncv import model_zoo

    network = model_zoo.get_model(manifest.network, classes=manifest.labels, pretrained_base=False)
    network.load_parameters(params, ctx=context)
    return network


def imdecode(data: bytes) -> Any:
    """Decode a picture with MXNet's OpenCV; its many-line errors stay here, since they hang an old container."""
    try:
        return mx.image.imdecode(data).asnumpy()
    except mx.base.MXNetError as exc:
        raise BadPicture("the picture cannot be decoded: it is damaged or truncated") from exc
