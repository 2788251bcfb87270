"""Which anchor stands for which labelled box, which for the background, and which does not count.

Labels are rows x_min, y_min, x_max, y_max, weight, class in shares of the image. A weight over 0 is how far the label
is trusted, below 0 a place to look away from, 0 an unused row.
"""

from __future__ import annotations

import torch

from anchors import corners

MATCH = 0.45  # an anchor with this much overlap (IoU) stands for the box
DOUBT = 0.38  # one with less than that, but this much, does not count
BEST = 0.3  # each box takes its best anchor, if that overlaps this much
AWAY_INSIDE, AWAY_OVERLAP = 0.5, 0.4  # an anchor so far in a place to look away from does not count
SHARED = 0.5  # a box counts as the root of how many anchors it has; 0: as that many, 1: as one

IGNORED = -1.0


def match(anchors: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Anchors (N, 4), labels (B, M, 6) → weight (B, N): > 0 a box's, 0 background, IGNORED; and its label (B, N, 6)."""
    weight = labels[..., 4]
    overlap, inside = overlaps(corners(anchors), labels[..., :4])
    wanted = overlap.masked_fill((weight <= 0)[:, None, :], -1)
    best, chosen = wanted.max(2)
    out = torch.where(best >= MATCH, weight.gather(1, chosen), 0.0)
    out[(best >= DOUBT) & (best < MATCH)] = IGNORED
    out[looked_away(overlap, inside, weight < 0) & (out == 0)] = IGNORED
    take_best(wanted, weight, out, chosen)
    share_out(out, chosen, labels.shape[1])
    return out, labels.gather(1, chosen[..., None].expand(-1, -1, labels.shape[-1]))


def overlaps(anchors: torch.Tensor, boxes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners (N, 4), corners (B, M, 4) → IoU and the share of the anchor that is inside the box, each (B, N, M)."""
    low = torch.maximum(anchors[None, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(anchors[None, :, None, 2:], boxes[:, None, :, 2:])
    common = (high - low).clamp(min=0).prod(-1)
    of_anchor = area(anchors)[None, :, None]
    return common / (of_anchor + area(boxes)[:, None, :] - common + 1e-9), common / of_anchor


def area(boxes: torch.Tensor) -> torch.Tensor:
    """Return the area of each box (…, 4)."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(-1)


def looked_away(overlap: torch.Tensor, inside: torch.Tensor, away: torch.Tensor) -> torch.Tensor:
    """Whether each anchor lies where nobody says what there is, (B, N)."""
    there = (inside > AWAY_INSIDE) | (overlap > AWAY_OVERLAP)
    return (there & away[:, None, :]).any(2)


def take_best(wanted: torch.Tensor, weight: torch.Tensor, out: torch.Tensor, chosen: torch.Tensor) -> None:
    """Give each box its best anchor, however little that overlaps, in place: small boxes would have none."""
    overlap, anchor = wanted.max(1)
    image, box = ((weight > 0) & (overlap > BEST)).nonzero(as_tuple=True)
    taken = anchor[image, box]
    out[image, taken], chosen[image, taken] = weight[image, box], box


def share_out(out: torch.Tensor, chosen: torch.Tensor, boxes: int) -> None:
    """Let the anchors of a box weigh the less the more they are, in place; on average over all they weigh as before.

    A large box has twenty anchors where a small one has a single one: counted anchor by anchor, small ones are hardly
    learnt.
    """
    positive = out > 0
    anchors = torch.zeros(len(out), boxes, device=out.device).scatter_add_(1, chosen, positive.float())
    factor = anchors.gather(1, chosen)[positive] ** -SHARED
    out[positive] *= factor * (len(factor) / factor.sum())
