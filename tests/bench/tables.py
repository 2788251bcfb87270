"""Tables in Markdown, printed and, with `--write`, put into the page that shows them.

A page holds a table between `<!-- NAME -->` and `<!-- /NAME -->`.
"""

import argparse
import os
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from tests.bench.report import judge, write

PAGE = Path(__file__).parents[2] / "docs" / "engine.md"
BEGIN, END = "<!-- {} -->\n", "<!-- /{} -->"
Promises = dict[str, bool]
# Measures, and returns a table with what it shows and the promises that the project makes of it.
Measure = Callable[[], tuple[str, Promises]]


def table(head: list[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, ["---"] * len(head), *rows])


def arguments(description: str | None, names: Sequence[str]) -> argparse.ArgumentParser:
    """The command line of a benchmark that prints tables of these names."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="TABLE", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help="a first look, in a fraction of the time")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="put the tables into it too, such as docs/engine.md")
    return parser


def show(measures: Mapping[str, Measure], page: Path | None) -> bool:
    """Measure one after the other, print each table at once, and say whether every promise held."""
    promises: Promises = {}
    for name, measure in measures.items():
        measured, made = measure()
        measured += f"\nMeasured on {machine()}.\n"
        write(f"## {name}\n\n{measured}")
        promises |= made
        if page:
            page.write_text(put(page.read_text(encoding="utf-8"), name, measured), encoding="utf-8")
    return judge(promises)


def put(page: str, name: str, measured: str) -> str:
    """Return the page with this table in the place of the one that it had. Raises ValueError where it has no place."""
    begin, end = BEGIN.format(name), END.format(name)
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"the page has no place for the table {name}")
    return f"{before}{begin}{measured}{end}{after}"


def places(page: str) -> list[str]:
    """The names of the tables that a page has a place for."""
    return re.findall(r"^<!-- (\w+) -->$", page, re.MULTILINE)


def machine() -> str:
    """What the figures depend on: cores, processor, versions."""
    told = Path("/proc/cpuinfo").read_text()
    (name, *_) = re.findall(r"^model name\s*: (.*)$", told, re.MULTILINE) or ["an unnamed processor"]
    vnni = "with" if re.search(r"\bavx(512)?_vnni\b", told) else "without"
    cores, engine = len(os.sched_getaffinity(0)), version("openvino").partition("-")[0]
    return f"{cores} cores of {name} {vnni} VNNI, Python {platform.python_version()}, OpenVINO {engine}"
