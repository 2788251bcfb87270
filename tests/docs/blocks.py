"""The fenced blocks of README.md and docs/: what a reader may type, and what the pages show of the answers."""

import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
OF_80_CLASSES = {"README.md", "docs/command-line.md"}  # show what scripts/run serves where npm is
SHOWN = {"json", "mermaid", "text", "yaml"}

FENCED = re.compile(r"^```(\w*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """One block: where it stands, what it holds, and what the block right below shows as the answer to it."""

    place: str
    language: str
    text: str
    shown: str

    @property
    def lines(self) -> list[str]:
        """The commands, each on one line, without comments."""
        return [re.sub(r"\s+# .*", "", line) for line in self.text.replace("\\\n", " ").splitlines()]


def blocks(page: Path) -> list[Block]:
    """A page's blocks from top to bottom."""
    text = page.read_text()
    found = [*FENCED.finditer(text), None]
    return [
        Block(
            place=f"{page.relative_to(ROOT)}:{text.count(chr(10), 0, one.start()) + 1}",
            language=one[1],
            text=one[2],
            shown=below[2] if below and below[1] in SHOWN and not text[one.end() : below.start()].strip() else "",
        )
        for one, below in pairwise(found)
        if one
    ]


def is_of_80_classes(page: Path) -> bool:
    """Whether the page shows answers of the detector of COCO's 80 classes, and not of the bundled one."""
    return str(page.relative_to(ROOT)) in OF_80_CLASSES


def typed(page: Path) -> list[Block]:
    """Those of a page that are for typing."""
    return [block for block in blocks(page) if block.language not in SHOWN]
