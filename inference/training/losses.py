"""What the network is told off for: wrong scores, misplaced boxes, and cells that do not know what they lie in."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from anchors import encode
from matching import match

NEGATIVES = 3  # background anchors per matched one: the hardest
SHRINK = (0.06, 0.04)  # the edge of a box, in shares of its width and height, that is not counted as inside


def multibox(
    logits: torch.Tensor, offsets: torch.Tensor, anchors: torch.Tensor, labels: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """SSD's losses of scores and of places, per matched anchor, each of which weighs what `match` says."""
    weight, matched = match(anchors, labels)
    positive = weight > 0
    count = int(positive.sum())
    log_shares = torch.log_softmax(logits, -1)
    background = torch.where(weight == 0, -log_shares[..., 0], 0.0).flatten()
    hardest = background.topk(min(len(background), max(NEGATIVES * count, 2 * len(logits))))[0].sum()
    said = log_shares[positive].gather(1, matched[positive][:, 5:].long() + 1)[:, 0]
    score = hardest - (said * weight[positive]).sum()
    wanted = encode(matched[positive][:, :4], anchors.expand(len(logits), -1, -1)[positive])
    apart = functional.smooth_l1_loss(offsets[positive], wanted, reduction="none").sum(1)
    return score / max(1, count), (apart * weight[positive]).sum() / max(1, count)


class Inside(nn.Module):
    """A training aid that is thrown away: does this cell of a backbone map lie inside a labelled box?

    Boxes alone teach a network that starts from nothing slowly; this is a signal at every cell.
    """

    def __init__(self, channels: list[int]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(nn.Conv2d(count, 1, 1) for count in channels)

    def forward(self, maps: list[torch.Tensor], labels: torch.Tensor) -> torch.Tensor:
        """Return the mean binary cross entropy over the cells of the maps (B, C, H, W), summed over the maps."""
        total = torch.zeros((), device=labels.device)
        for head, features in zip(self.heads, maps, strict=True):
            said = head(features)[:, 0]
            there = cells_inside(labels, said.shape[-1])
            wanted = (there & (labels[..., 4] > 0)[..., None, None]).any(1)
            away = (there & (labels[..., 4] < 0)[..., None, None]).any(1) & ~wanted
            each = functional.binary_cross_entropy_with_logits(said, wanted.float(), reduction="none")
            total = total + (each * ~away).mean()
        return total


def cells_inside(labels: torch.Tensor, cells: int) -> torch.Tensor:
    """Labels (B, M, 6) → whether each cell's centre is inside each box, (B, M, cells, cells)."""
    centre = (torch.arange(cells, device=labels.device) + 0.5) / cells
    low, high = labels[..., None, :2], labels[..., None, 2:4]
    edge = (high - low) * torch.tensor(SHRINK, device=labels.device)
    inside = (centre[:, None] > low + edge) & (centre[:, None] < high - edge)
    return inside[..., None, :, 0] & inside[..., :, None, 1]
