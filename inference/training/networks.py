"""GluonCV's MobileNet SSDs in PyTorch: the same layers with the same names' worth of weights, for any classes.

MobileNet v1 up to strides 16 and 32, four stages behind it that halve the map, and on each of the six maps a 3×3
convolution for the scores and one for the boxes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import nn

from anchors import SHAPES


class Network(NamedTuple):
    """What sets the networks of the zoo apart. `size`: side of the image that it was made for."""

    width: float
    stages: tuple[int, ...]
    size: int


NETWORKS = {
    "ssd_300_mobilenet0.25_custom": Network(0.25, (256, 256, 128, 128), 300),
    "ssd_512_mobilenet1.0_custom": Network(1.0, (512, 512, 256, 256), 512),
}
# MobileNet v1's thirteen blocks: channels in, channels out, stride.
BLOCKS = [
    (32, 64, 1),
    (64, 128, 2),
    (128, 128, 1),
    (128, 256, 2),
    (256, 256, 1),
    (256, 512, 2),
    *[(512, 512, 1)] * 5,
    (512, 1024, 2),
    (1024, 1024, 1),
]
TAPPED = (22, 26)  # the last layers of strides 16 and 32
NORM_EPSILON, STAGE_EPSILON = 1e-5, 1e-3  # Gluon's BatchNorm and mx.sym's, which makes the stages


class SSD(nn.Module):
    """One of NETWORKS for so many classes, with random weights."""

    def __init__(self, network: str, classes: int = 1) -> None:
        super().__init__()
        width, stages, self.size = NETWORKS[network]
        maps = [int(512 * width), int(1024 * width), *stages]
        self.base = nn.ModuleList(backbone(width))
        self.extra = nn.ModuleList(halvings(maps[1], stages))
        self.scores = nn.ModuleList(head(c, len(s) * (classes + 1)) for c, s in zip(maps, SHAPES, strict=True))
        self.boxes = nn.ModuleList(head(c, len(s) * 4) for c, s in zip(maps, SHAPES, strict=True))
        self.classes = classes
        initialise(self)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Normalised RGB (B, 3, S, S) → logits (B, N, 1 + classes), offsets (B, N, 4) and the two backbone maps."""
        maps = self.maps(images)
        logits = [rows(each(y), self.classes + 1) for each, y in zip(self.scores, maps, strict=True)]
        offsets = [rows(each(y), 4) for each, y in zip(self.boxes, maps, strict=True)]
        return torch.cat(logits, 1), torch.cat(offsets, 1), maps[:2]

    def maps(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Return the six feature maps, the finest first."""
        found = []
        for number, layer in enumerate(self.base):
            x = layer(x)
            if number in TAPPED:
                found.append(x)
        for number, layer in enumerate(self.extra):
            x = layer(x)
            if number % 2:
                found.append(x)
        return found


def backbone(width: float) -> list[nn.Module]:
    """MobileNet v1 with this share of its channels: a convolution, then a depthwise and a pointwise one per block."""
    layers: list[nn.Module] = [convolution(3, int(32 * width), 3, stride=2)]
    for wide_inputs, wide_outputs, stride in BLOCKS:
        inputs, outputs = int(wide_inputs * width), int(wide_outputs * width)
        layers += [convolution(inputs, inputs, 3, stride, groups=inputs), convolution(inputs, outputs, 1)]
    return layers


def halvings(channels: int, stages: tuple[int, ...]) -> list[nn.Module]:
    """Make the stages behind the backbone: fewer channels, then a 3×3 convolution that halves the map."""
    layers: list[nn.Module] = []
    for outputs in stages:
        middle = max(128, outputs)
        layers.append(convolution(channels, middle, 1, epsilon=STAGE_EPSILON))
        layers.append(convolution(middle, outputs, 3, stride=2, epsilon=STAGE_EPSILON))
        channels = outputs
    return layers


def convolution(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, epsilon: float = NORM_EPSILON
) -> nn.Module:
    """Convolution, batch normalisation, ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs, epsilon), nn.ReLU(inplace=True))


def head(inputs: int, outputs: int) -> nn.Conv2d:
    """Make the convolution that reads scores or boxes off a map."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def rows(values: torch.Tensor, length: int) -> torch.Tensor:
    """Heads' values (B, K · length, H, W) → one row per anchor (B, H · W · K, length)."""
    return values.permute(0, 2, 3, 1).reshape(len(values), -1, length)


def initialise(network: SSD) -> None:
    """Random weights; the heads begin with small ones and with nearly everything background."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is None:
            mode = "fan_out" if layer.groups == 1 else "fan_in"
            nn.init.kaiming_normal_(layer.weight, mode=mode, nonlinearity="relu")
    for layer in [*network.scores, *network.boxes]:
        nn.init.normal_(parameter(layer, "weight"), 0, 0.01)
        nn.init.zeros_(parameter(layer, "bias"))
    for layer in network.scores:
        biases = parameter(layer, "bias").data.view(-1, network.classes + 1)
        biases[:, 0], biases[:, 1:] = 1.5, -1.5
    for layer in network.extra:  # mx.sym's BatchNorm has a gamma of one, whatever the file says
        parameter(layer[1], "weight").requires_grad_(False)


def parameter(layer: Any, name: str) -> nn.Parameter:
    """Return a layer's parameter by its name."""
    found: nn.Parameter = getattr(layer, name)
    return found
