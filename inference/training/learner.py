"""The network while it learns: one step, the averaged weights, and a checkpoint that brings all of it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from anchors import anchors
from batches import Item, coloured
from losses import Inside, multibox
from networks import SSD
from schedule import Schedule
from training_errors import NotACheckpoint

DECAY = 0.02
LONGEST_GRADIENT = 10.0
AVERAGED_OVER = 1000  # steps


class Learner:
    """A network, its optimiser and how far they are. `averaged` is the network to use."""

    def __init__(self, network: str, classes: list[str], schedule: Schedule, device: str) -> None:
        self.network, self.classes, self.schedule, self.device = network, classes, schedule, device
        self.seen, self.step = 0, 0
        self.net, self.averaged = (on_device(SSD(network, len(classes)), device) for _ in range(2))
        self.averaged.load_state_dict(self.net.state_dict())
        self.inside = Inside([head.in_channels for head in self.net.scores[:2]]).to(device)
        self.trained = [each for each in self.net.parameters() if each.requires_grad]
        kernels, others = ([p for p in self.trained if (p.dim() > 1) == many] for many in (True, False))
        groups = [
            {"params": kernels, "weight_decay": DECAY},
            {"params": [*others, *self.inside.parameters()], "weight_decay": 0.0},
        ]
        self.optimiser = torch.optim.AdamW(groups, lr=schedule.rate)

    def learn(self, batch: Item) -> torch.Tensor:
        """Take one step; return the losses of scores and places, (2,), on the device."""
        pixels, colours, labels = (part.to(self.device, non_blocking=True) for part in batch)
        self.net.train()
        self._set_rate()
        with torch.autocast(self.device, torch.bfloat16, enabled=self.device == "cuda"):
            logits, offsets, maps = self.net(coloured(pixels, colours))
        places = anchors(pixels.shape[1], self.device)
        score, place = multibox(logits.float(), offsets.float(), places, labels)
        aid = self.inside([each.float() for each in maps], labels)
        self._descend(score + place + self.schedule.aid_weight(self.seen) * aid)
        self.step, self.seen = self.step + 1, self.seen + len(pixels)
        self._average()
        return torch.stack([score.detach(), place.detach()])

    def _set_rate(self) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] = self.schedule.learning_rate(self.seen)

    def _descend(self, loss: torch.Tensor) -> None:
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.trained, LONGEST_GRADIENT)
        self.optimiser.step()

    def _average(self) -> None:
        share = max(1 / AVERAGED_OVER, 9 / (self.step + 10))  # quick while the weights are young
        ours, theirs = (
            [each for each in net.state_dict().values() if each.is_floating_point()]
            for net in (self.averaged, self.net)
        )
        torch._foreach_lerp_(ours, theirs, share)

    def save(self, path: Path) -> None:
        """Write a checkpoint; a cut-off write leaves the one before."""
        parts = {name: getattr(self, name).state_dict() for name in ("net", "averaged", "inside", "optimiser")}
        about = {"network": self.network, "classes": self.classes, "seen": self.seen, "step": self.step}
        unfinished = path.with_suffix(".unfinished")
        torch.save({**about, **parts}, unfinished)
        unfinished.replace(path)

    def load(self, path: Path) -> None:
        """Go on from a checkpoint of the same network. Raises NotACheckpoint."""
        state = read_checkpoint(path, self.device)
        if (state["network"], state["classes"]) != (self.network, self.classes):
            raise NotACheckpoint(f"{path} is of {state['network']} for {', '.join(state['classes'])}.")
        for name in ("net", "averaged", "inside", "optimiser"):
            getattr(self, name).load_state_dict(state[name])
        self.seen, self.step = state["seen"], state["step"]


def on_device(net: SSD, device: str) -> SSD:
    """Move a network, with the channels of each pixel side by side, which is quicker on both kinds of device."""
    moved: SSD = net.to(device, memory_format=torch.channels_last)
    return moved


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read what `Learner.save` wrote. Raises NotACheckpoint."""
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as exc:
        raise NotACheckpoint(f"There is no checkpoint {path}.") from exc
    except Exception as exc:  # torch raises its unpickler's, the zip reader's and its own
        raise NotACheckpoint(f"{path} is no checkpoint of this program's.") from exc
    if not isinstance(state, dict) or not {"network", "classes", "averaged"} <= set(state):
        raise NotACheckpoint(f"{path} is no checkpoint of this program's.")
    return state


def trained_network(path: Path, device: str = "cpu") -> tuple[SSD, dict[str, Any]]:
    """Return a checkpoint's averaged network, ready to look at images, and all that the checkpoint says."""
    state = read_checkpoint(path, device)
    net = SSD(state["network"], len(state["classes"])).to(device)
    net.load_state_dict(state["averaged"])
    return net.eval(), state
