"""ONNX in float32 → ONNX in int8, calibrated on images like those that will come."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from onnxruntime import quantization

from inference.export.graph import Array
from inference.export.images import canvas

# A tensor's range leaves out the outermost of ten thousand values, which would cost the others precision.
PERCENTILE = 99.99


class Calibration(quantization.CalibrationDataReader):  # type: ignore[misc]
    """Hands the quantizer one image after another."""

    def __init__(self, files: list[Path], size: int) -> None:
        self._files, self._size = files, size
        self._next, self._end = 0, len(files)

    def __len__(self) -> int:
        """Return how many images there are."""
        return len(self._files)

    def set_range(self, start_index: int, end_index: int) -> None:
        """Hand out these images alone, until told otherwise."""
        self._next, self._end = start_index, end_index

    def get_next(self) -> dict[str, Array] | None:
        """Return the next input of the network, None after the last."""
        if self._next == self._end:
            return None
        self._next += 1
        return {"image": canvas(self._files[self._next - 1], self._size)[None]}


def quantize(source: Path, target: Path, files: list[Path], size: int) -> None:
    """Write the network with its convolutions in int8, weights per channel, ranges from these images at size x size.

    Integers only where the time goes: decoding boxes from int8 would cost precision and win nothing. Convolutions take
    integers and give none: what the next one takes is rounded once, behind the activation; scores and boxes never are.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # the quantizer tells of every image
        quantization.quantize_static(
            str(source),
            str(target),
            Calibration(files, size),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.Percentile,
            extra_options={
                "CalibPercentile": PERCENTILE,
                # Despite its name the stride is for every method: one image's tensors in memory at a time, not all.
                "CalibStridedMinMax": 1,
                "OpTypesToExcludeOutputQuantization": ["Conv"],
            },
        )
