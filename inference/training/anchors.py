"""The anchors that a box is told from: their shapes, where they lie, and the way from offsets to boxes and back.

The anchors that GluonCV makes for its 300 network lie 8, 16 and 32 pixels apart on maps whose cells are 16, 30 and 60
apart, and so cover the top left quarter of an image. These cover all of it; GluonCV reads them from the `.params`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

# Width and height in an image of 300×300, one row per feature map; as many of them as the zoo's heads have.
SHAPES = [
    [(9, 20), (16, 36), (30, 30), (22, 62)],
    [(36, 88), (55, 60), (58, 118), (30, 125), (95, 95), (75, 160)],
    [(50, 180), (100, 205), (150, 150), (130, 250), (75, 265), (190, 215)],
    [(110, 290), (160, 285), (215, 285), (260, 190), (280, 280), (200, 150)],
    [(140, 230), (230, 250), (290, 230), (180, 300)],
    [(300, 300), (250, 300), (190, 300), (300, 220)],
]
DRAWN_FOR = 300
CENTRE_VARIANCE, SIZE_VARIANCE = 0.1, 0.2  # GluonCV's
LARGEST_EXPONENT = 4.0  # a box is at most 55 times its anchor: exp() of a young network's offsets would overflow


def sides(size: int) -> list[int]:
    """Return the cells along a side of each feature map for images of size×size."""
    cells = -(-size // 16)
    found = [cells]
    while len(found) < len(SHAPES):
        found.append((found[-1] + 1) // 2)
    return found


def grid(level: int, side: int, cells: int) -> NDArray[np.float32]:
    """Return the anchors of one map (cells, cells, K, 4): centre x and y, width, height in shares of the image.

    `side` is the map's real number of cells along a side; with more `cells` than that the grid goes on beyond the
    image's right and bottom edges, as GluonCV keeps it.
    """
    shapes = np.array(SHAPES[level], np.float32) / DRAWN_FOR
    out = np.zeros((cells, cells, len(shapes), 4), np.float32)
    centres = (np.arange(cells, dtype=np.float32) + 0.5) / side
    out[..., 0], out[..., 1], out[..., 2:] = centres[None, :, None], centres[:, None, None], shapes
    return out


@cache
def anchors(size: int, device: str) -> torch.Tensor:
    """Return all anchors (N, 4) for images of size×size, in the order of the network's rows."""
    maps = [grid(level, side, side).reshape(-1, 4) for level, side in enumerate(sides(size))]
    return torch.from_numpy(np.concatenate(maps)).to(device)


def decode(offsets: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Offsets (…, N, 4) from anchors (N, 4) → corners x_min, y_min, x_max, y_max in shares of the image."""
    centre = offsets[..., :2] * CENTRE_VARIANCE * anchors[:, 2:] + anchors[:, :2]
    half = torch.exp((offsets[..., 2:] * SIZE_VARIANCE).clamp(max=LARGEST_EXPONENT)) * anchors[:, 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def encode(corners: torch.Tensor, anchors: torch.Tensor) -> torch.Tensor:
    """Undo `decode`, row by row: corners (n, 4) and their anchors (n, 4) → offsets (n, 4)."""
    centre = (corners[:, :2] + corners[:, 2:]) / 2
    extent = (corners[:, 2:] - corners[:, :2]).clamp(min=1e-4)
    step = (centre - anchors[:, :2]) / anchors[:, 2:] / CENTRE_VARIANCE
    return torch.cat([step, torch.log(extent / anchors[:, 2:]) / SIZE_VARIANCE], 1)


def corners(anchors: torch.Tensor) -> torch.Tensor:
    """Centre and size (N, 4) → corners (N, 4)."""
    return torch.cat([anchors[:, :2] - anchors[:, 2:] / 2, anchors[:, :2] + anchors[:, 2:] / 2], 1)
