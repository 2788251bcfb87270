"""Batches for the network: changed images, their colours and their labels, made in worker processes."""

from __future__ import annotations

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from augment import random_colours, varied
from dataset import COLUMNS, Boxes, LabelledImages

MOST = 24  # boxes per image; of more, the smallest become one place to look away from

Item = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Varied(Dataset[Item]):
    """A set whose images come changed at random, in one size."""

    def __init__(self, data: LabelledImages, size: int) -> None:
        self.data, self.size = data, size

    def __len__(self) -> int:
        return len(self.data.images)

    def __getitem__(self, number: int) -> Item:
        """Return pixels (S, S, 3) uint8, colours (3, 4) and labels (MOST, 6)."""
        pixels, boxes = varied(self.data, number, self.size)
        parts = np.array(pixels, order="C"), random_colours(), padded(boxes)
        return tuple(map(torch.from_numpy, parts))


def padded(boxes: Boxes) -> Boxes:
    """Bring boxes (m, 6) to MOST rows."""
    if len(boxes) > MOST:
        area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
        order = np.lexsort((-area, boxes[:, 4] < 0))
        rest = boxes[order[MOST - 1 :]]
        away = [*rest[:, :2].min(0), *rest[:, 2:4].max(0), -1, 0]
        boxes = np.concatenate([boxes[order[: MOST - 1]], np.array([away], np.float32)])
    out = np.zeros((MOST, COLUMNS), np.float32)
    out[: len(boxes)] = boxes
    return out


def batches(data: LabelledImages, size: int, batch: int, workers: int, on_gpu: bool) -> DataLoader[Item]:
    """Return one pass over a set in random order; what is less than a batch is left out."""
    return DataLoader(
        Varied(data, size),
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=on_gpu,
        prefetch_factor=4 if workers else None,
    )


def coloured(pixels: torch.Tensor, colours: torch.Tensor) -> torch.Tensor:
    """Pixels (B, S, S, 3), colours (B, 3, 4) → what the network takes, (B, 3, S, S)."""
    flat = pixels.view(len(pixels), -1, 3).float()
    changed = torch.baddbmm(colours[:, None, :, 3], flat, colours[:, :, :3].transpose(1, 2))
    return changed.view(pixels.shape).permute(0, 3, 1, 2)
