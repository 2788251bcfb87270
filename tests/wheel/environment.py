"""A fresh environment with the wheel in it and, of the packages installed here, exactly those that it asks for."""

import subprocess
import sys
import venv
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement


class Environment:
    """The environment's folder, and what runs in it."""

    def __init__(self, folder: Path, wheel: Path, *extras: str) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.bin = folder / "bin"
        (self.site_packages,) = folder.glob("lib/python*/site-packages")
        pip = [sys.executable, "-m", "pip", "--python", str(self.bin / "python"), "install", "--quiet"]
        subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, stderr=subprocess.DEVNULL)
        (ours,) = Distribution.discover(name="detect-gateway", path=[str(self.site_packages)])
        self.packages = dict(needed(ours.requires or (), ["", *extras]))
        for package in self.packages.values():
            self.lend(package)

    def lend(self, package: Distribution) -> None:
        """Link a package's files into the environment, as an installation would have put them there."""
        for file in package.files or ():
            link, source = self.site_packages / file, Path(str(file.locate()))
            if file.parts[0] != ".." and "__pycache__" not in file.parts and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(source)


def needed(
    requirements: Iterable[str], extras: list[str], known: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Distribution]]:
    """The packages that requirements ask for with these extras, and what those ask for in turn, by name."""
    for requirement in map(Requirement, requirements):
        asked = any(requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras)
        name = str(requirement)
        if not asked or name in known:
            continue
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version, prereleases=True), f"{requirement}, not {found.version}"
        yield requirement.name.lower(), found
        yield from needed(found.requires or (), ["", *requirement.extras], known | {name})
