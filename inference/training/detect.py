"""What a network in PyTorch finds in pictures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from anchors import anchors, decode
from augment import MEAN, STD
from dataset import Pixels
from networks import SSD

Found = NDArray[np.float32]  # (k, 6): x_min, y_min, x_max, y_max in shares of the picture, score, class
LEAST, CANDIDATES, MOST, OVERLAP = 0.01, 400, 100, 0.45  # GluonCV's, LEAST and OVERLAP as its post-processing


def detections(net: SSD, pictures: Pixels, size: int, device: str, batch: int = 32) -> list[Found]:
    """Return what is found in each of the pictures uint8 (n, S, S, 3), stretched to size×size, best first."""
    net.eval()
    found: list[Found] = []
    with torch.no_grad():
        for start in range(0, len(pictures), batch):
            logits, offsets, _ = net(normalised(np.array(pictures[start : start + batch]), size, device))
            scores = torch.softmax(logits.float(), -1)[..., 1:].cpu().numpy()
            boxes = decode(offsets.float(), anchors(size, device)).cpu().numpy()
            found += [one_picture(*pair) for pair in zip(boxes, scores, strict=True)]
    return found


def normalised(pictures: Pixels, size: int, device: str) -> torch.Tensor:
    """Pictures (n, H, W, 3) → what the network takes, (n, 3, size, size)."""
    mean, std = (torch.tensor(value * 255, device=device).view(1, 3, 1, 1) for value in (MEAN, STD))
    planes = torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float()
    if planes.shape[-2:] != (size, size):
        planes = torch.nn.functional.interpolate(planes, (size, size), mode="bilinear", antialias=True)
    return (planes - mean) / std


def one_picture(boxes: Found, scores: Found) -> Found:
    """Anchors' boxes (N, 4) and scores (N, classes) → at most MOST detections, without doubles within a class."""
    kept = []
    for number in range(scores.shape[1]):
        best = np.argsort(-scores[:, number])[:CANDIDATES]
        best = best[scores[best, number] > LEAST]
        chosen = best[without_doubles(boxes[best])]
        kept.append(np.column_stack([boxes[chosen], scores[chosen, number], np.full(len(chosen), number)]))
    rows = np.concatenate(kept).astype(np.float32)
    return rows[np.argsort(-rows[:, 4])][:MOST]


def without_doubles(boxes: Found) -> list[int]:
    """Return the numbers of the boxes (n, 4), best first, that no better one overlaps by OVERLAP."""
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    left, chosen = np.arange(len(boxes)), []
    while len(left):
        first, left = left[0], left[1:]
        chosen.append(int(first))
        low, high = np.maximum(boxes[first, :2], boxes[left, :2]), np.minimum(boxes[first, 2:], boxes[left, 2:])
        common = np.prod((high - low).clip(0), axis=1)
        left = left[common <= OVERLAP * (areas[first] + areas[left] - common)]
    return chosen
