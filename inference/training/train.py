"""Trains a detector from random weights, or from given ones, on a GPU or a CPU; stopped, it goes on where it was.

scripts/train train --data SET --test TEST --out RUN --images 3e6
scripts/train train … --weights person.params      starts from weights that were trained before
scripts/train train … --resume      goes on from RUN/last.pt, with the same schedule

SET and TEST are folders that prepare.py wrote. RUN gets last.pt (weights, averaged weights, optimiser), log.jsonl with
a row every few minutes, and curves.png. Ctrl-C, or SIGTERM, saves and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from tqdm import tqdm

from accuracy import accuracy
from batches import Item, batches
from curves import draw_curves
from dataset import LabelledImages, read_set
from detect import detections
from gluon_params import load
from learner import Learner
from networks import NETWORKS
from schedule import Schedule
from training_errors import run


def main(arguments: Sequence[str] | None = None) -> int:
    """Train as the command line says."""
    options = parser().parse_args(arguments)
    set_up(options.threads)
    data, test = read_set(options.data), read_set(options.test)
    learner = Learner(options.network, data.classes, schedule_of(options), options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.weights:
        load(learner.net, options.weights)
        learner.averaged.load_state_dict(learner.net.state_dict())
    if options.resume:
        learner.load(options.out / "last.pt")
    Session(learner, data, test, options).run()
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = described.add_argument
    add("--data", type=Path, required=True, help="the set to learn from")
    add("--test", type=Path, required=True, help="the set to measure with")
    add("--out", type=Path, required=True, help="folder of the run")
    add("--network", choices=NETWORKS, default=next(iter(NETWORKS)))
    add("--images", type=float, default=3e6, help="to be seen in all, over all resumed runs")
    add("--batch", type=int, default=64)
    add("--rate", type=float, default=2.5e-3, help="highest learning rate")
    add("--size", type=int, help="side of the images at the end; default: the network's")
    add("--first-size", type=int, help="side for the first 60 %%; default: 0.64 of the last")
    add("--save-every", type=float, default=5, metavar="MINUTES", help="save and measure so often")
    add("--workers", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="processes that make batches")
    add("--threads", type=int, help="threads that compute; default: all")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    begin = described.add_mutually_exclusive_group()
    begin.add_argument("--weights", type=Path, help="a .params file to start from; default: random weights")
    begin.add_argument("--resume", action="store_true", help="go on from OUT/last.pt")
    return described


def schedule_of(options: argparse.Namespace) -> Schedule:
    """Return the schedule that the command line asks for."""
    size = options.size or NETWORKS[options.network].size
    first = options.first_size or round(0.64 * size)
    return Schedule(int(options.images), options.batch, options.rate, size, first)


def set_up(threads: int | None) -> None:
    """Settle what torch leaves open."""
    if threads:
        torch.set_num_threads(threads)
    torch.set_flush_denormal(True)  # numbers next to zero are slow on a CPU
    torch.backends.cudnn.benchmark = True


class Session:
    """One run of the program: learns until enough images are seen or it is asked to stop, saves and measures."""

    def __init__(
        self, learner: Learner, data: LabelledImages, test: LabelledImages, options: argparse.Namespace
    ) -> None:
        self.learner, self.data, self.test, self.options = learner, data, test, options
        self.stopped = False
        self.losses, self.began, self.began_at = torch.zeros(2, device=learner.device), time.monotonic(), learner.seen
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self.stop)

    def stop(self, _number: int, _frame: FrameType | None) -> None:
        """End after this step."""
        self.stopped = True

    def run(self) -> None:
        """Learn, with a row in the log every so often and one at the end."""
        wanted = self.learner.schedule.images
        with tqdm(total=wanted, initial=self.learner.seen, unit="image", smoothing=0.02, disable=None) as bar:
            for batch in self.stream():
                self.losses += self.learner.learn(batch)
                bar.update(len(batch[0]))
                if time.monotonic() - self.began > self.options.save_every * 60:
                    self.record()
        if self.learner.seen > self.began_at:
            self.record()

    def stream(self) -> Iterator[Item]:
        """Yield batches, pass after pass, in the size of the moment."""
        schedule, options = self.learner.schedule, self.options
        while not self.done():
            size = schedule.image_size(self.learner.seen)
            for batch in batches(self.data, size, options.batch, options.workers, self.learner.device == "cuda"):
                if self.done() or schedule.image_size(self.learner.seen) != size:
                    break
                yield batch

    def done(self) -> bool:
        """Whether to end."""
        return self.stopped or self.learner.seen >= self.learner.schedule.images

    def record(self) -> None:
        """Save, measure, and add a row to the log and the curves."""
        learner, out = self.learner, self.options.out
        learner.save(out / "last.pt")
        row = self.row()
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
        tqdm.write(json.dumps(row))
        draw_curves(out / "log.jsonl", out / "curves.png")
        self.losses.zero_()
        self.began, self.began_at = time.monotonic(), learner.seen

    def row(self) -> dict[str, Any]:
        """Say how far it is, how well it does, and how fast it was since the last row."""
        learner = self.learner
        new = learner.seen - self.began_at
        size = learner.schedule.image_size(learner.seen)  # on other sizes than it learns from it does far worse
        score, place = (self.losses * learner.schedule.batch / new).tolist()
        speed = new / (time.monotonic() - self.began)
        found = detections(learner.averaged, self.test.images, size, learner.device)
        measured = accuracy(found, self.test.boxes, self.test.classes)
        return {
            "images": learner.seen,
            "size": size,
            "AP": round(measured["AP"], 4),
            "AP50": round(measured["AP50"], 4),
            "score": round(score, 3),
            "place": round(place, 3),
            "rate": round(learner.schedule.learning_rate(learner.seen), 6),
            "images_per_second": round(speed, 1),
        }


if __name__ == "__main__":
    run(main)
