"""What a network in PyTorch finds in images."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

import nms
from anchors import anchors, decode
from augment import MEAN, STD
from dataset import Pixels
from networks import SSD

Found = NDArray[np.float32]  # (k, 6): x_min, y_min, x_max, y_max in shares of the image, score, class


def detections(net: SSD, images: Pixels, size: int, device: str, batch: int = 32) -> list[Found]:
    """Return what is found in each of the images uint8 (n, S, S, 3), stretched to size×size, best first."""
    net.eval()
    found: list[Found] = []
    with torch.no_grad():
        for start in range(0, len(images), batch):
            logits, offsets, _ = net(normalised(np.array(images[start : start + batch]), size, device))
            scores = torch.softmax(logits.float(), -1)[..., 1:].cpu().numpy()
            boxes = decode(offsets.float(), anchors(size, device)).cpu().numpy()
            found += [one_image(*pair) for pair in zip(boxes, scores, strict=True)]
    return found


def normalised(images: Pixels, size: int, device: str) -> torch.Tensor:
    """Images (n, H, W, 3) → what the network takes, (n, 3, size, size)."""
    mean, std = (torch.tensor(value * 255, device=device).view(1, 3, 1, 1) for value in (MEAN, STD))
    planes = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    if planes.shape[-2:] != (size, size):
        planes = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return (planes - mean) / std


def one_image(boxes: Found, scores: Found) -> Found:
    """Anchors' boxes (N, 4) and scores (N, classes) → what the endpoint would answer of them."""
    found = nms.detections(scores, boxes, ())
    rows: Found = np.hstack([found.boxes, found.scores, found.ids])
    return rows[rows[:, 5] >= 0]
