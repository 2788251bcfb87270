"""What the benchmarks print: lines at once, and whether each promise held."""

import sys


def write(line: str) -> None:
    """Print at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def judge(promises: dict[str, bool]) -> bool:
    """Print what holds and what does not; whether all do."""
    for promise, held in promises.items():
        write(f"{'holds ' if held else 'BROKEN'} {promise}")
    return all(promises.values())
