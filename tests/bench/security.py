"""All figures of docs/security.md, one after the other: damage, memory, soak.

    .venv-dev/bin/python -m tests.bench.security [--short] [--write]

Half an hour, or five minutes with --short; --write puts the table on the page. Exit code 1 where a promise is broken.
"""

import argparse
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.bench import damage, memory, soak
from tests.bench.report import Outcome, write
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "security.md"
BEGIN, END = "<!-- figures: tests.bench.security -->", "<!-- end of figures -->"


class Figure(NamedTuple):
    """One line of the table: what is measured, by which module with which option, how much, and how much at short."""

    what: str
    module: str
    option: str
    run: Callable[[int], Outcome]
    full: int
    short: int

    def command(self, amount: int) -> str:
        """What measures it alone."""
        return f".venv-dev/bin/python -m tests.bench.{self.module} --{self.option} {amount}"


FIGURES = (
    Figure("mutations of good images, and the odd ones", "damage", "count", damage.run, 10_000, 2000),
    Figure("64 clients posting 40 megapixels, half for a drawing", "memory", "seconds", memory.run, 30, 5),
    Figure("good, damaged and senseless requests mixed", "soak", "minutes", soak.run, 20, 1),
)


def machine() -> str:
    """How many cores of which processor."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    known = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", known.read_text()) if known.exists() else []
    return f"{cores} cores of {names[0] if names else 'an unnamed processor'}"


def table(machine: str, rows: list[tuple[Figure, int, Outcome]]) -> str:
    """What stands between the marks of the page."""
    lines = [f"Measured on {machine}, with the bundled detector and the load generator on the same.", ""]
    lines += ["| what | command | result | as promised |", "| --- | --- | --- | --- |"]
    for figure, amount, outcome in rows:
        kept = "yes" if outcome else "no"
        lines.append(f"| {figure.what} | `{figure.command(amount)}` | {outcome.summary} | {kept} |")
    return "\n".join(lines)


def with_table(page: str, table: str) -> str:
    """The page with this table in place of the one it has."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--short", action="store_true", help="minutes instead of half an hour")
    parser.add_argument("--write", action="store_true", help="put the table on docs/security.md")
    chosen = parser.parse_args()
    rows = []
    for figure in FIGURES:
        amount = figure.short if chosen.short else figure.full
        write(f"\n{figure.what}: {figure.command(amount)}")
        rows.append((figure, amount, figure.run(amount)))
    write("\n" + table(machine(), rows))
    if chosen.write:
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), table(machine(), rows)), encoding="utf-8")
    return 0 if all(outcome for _, _, outcome in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
