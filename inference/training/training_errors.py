"""What can go wrong with what the trainer is given; the command line says it in one line and ends with 1.

TrainingError
├── NoAnswer
├── NotACheckpoint
├── NotASet
└── NotWeights
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn


class TrainingError(Exception):
    """One line for the one who trains."""


class NoAnswer(TrainingError):
    """The gateway to be measured is not there, or fails."""


class NotACheckpoint(TrainingError):
    """The file is missing, damaged, or of another network."""


class NotASet(TrainingError):
    """The images or their labels are missing or do not fit each other."""


class NotWeights(TrainingError):
    """The `.params` file is missing, damaged, or of another network."""


def run(main: Callable[[], int]) -> NoReturn:
    """End the process with a command's status, or with a line on what was wrong."""
    try:
        sys.exit(main())
    except TrainingError as exc:
        sys.exit(str(exc))
