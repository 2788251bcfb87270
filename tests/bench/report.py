"""What the benchmarks print: lines at once, and whether each promise held."""

import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What was measured, in one sentence for a page, and whether every promise held."""

    summary: str
    held: bool

    def __bool__(self) -> bool:
        return self.held


def write(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def judge(promises: dict[str, bool]) -> bool:
    """Print what holds and what does not, and say whether all does."""
    for promise, held in promises.items():
        write(f"{'holds ' if held else 'BROKEN'} {promise}")
    return all(promises.values())


def counted(statuses: dict[int, int]) -> str:
    """How many got which status, in words."""
    return ", ".join(f"{count:,} × {status}" for status, count in statuses.items())
