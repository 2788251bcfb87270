"""Which files `detect-gateway detect` is asked about: images, by their names or bytes, in folders and patterns."""

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from api.image.formats import recognise

SUFFIXES = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".png", ".apng", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff",
    ".heic", ".heif", ".hif", ".avif", ".jp2", ".j2k", ".jxl",
}  # fmt: skip
# Without such a suffix the first bytes decide; BMP's two letters also begin many a text.
KINDS = {"jpeg", "png", "webp", "gif", "tiff", "heic", "heif", "avif", "jpeg 2000", "jpeg xl"}
HEAD = 1024
APPLE_DOUBLE = "._"  # macOS keeps notes about a file beside it, under its name


@dataclass
class Found:
    """The image files, each once; how many others were skipped; which folders could not be read, and why."""

    files: list[str] = field(default_factory=list)
    skipped: int = 0
    unreadable: list[str] = field(default_factory=list)


def find_images(names: list[str]) -> Found:
    """The files that these names stand for: themselves, those in folders and below, those that match a pattern.

    Links to folders are followed, each folder is read once. Raises FileNotFoundError for a name that is none of them.
    """
    found = Found()
    files: dict[str, None] = {}
    for name in names:
        if os.path.isdir(name):
            below = (entry for _, entries in _folders(str(Path(name)), found) for entry in entries)
            files.update(dict.fromkeys(_images(below, found)))
        elif os.path.lexists(name):
            files[str(Path(name))] = None
        elif matches := list(_matches(name, found)):
            files.update(dict.fromkeys(_images(iter(matches), found)))
        else:
            raise FileNotFoundError(name)
    found.files = list(files)
    return found


def _folders(root: str, found: Found) -> Iterator[tuple[str, list[str]]]:
    """A folder and those below it, with what is in them; where a link leads back, it is not followed again."""
    waiting, seen = [root], set[tuple[int, int]]()
    while waiting:
        folder = waiting.pop()
        try:
            about = os.stat(folder)
            if (about.st_dev, about.st_ino) in seen:
                continue
            seen.add((about.st_dev, about.st_ino))
            entries = [os.path.join(folder, name) for name in os.listdir(folder)]
        except OSError as error:
            found.unreadable.append(f"{folder}: {error.strerror}")
            continue
        yield folder, entries
        waiting += filter(os.path.isdir, entries)


def _matches(pattern: str, found: Found) -> Iterator[str]:
    """As `glob.glob` says, which follows a link in a circle again and again: below `**` each folder is read once."""
    before, recursive, after = pattern.partition("**")
    if not recursive:
        yield from glob.glob(pattern)
        return
    for root in glob.glob(before) if before else [os.curdir]:
        for folder, _ in _folders(root, found):
            inside = "" if folder == os.curdir else os.path.join(glob.escape(os.path.normpath(folder)), "")
            yield from _matches(inside + (after.lstrip(os.sep) or "*"), found)


def _images(files: Iterator[str], found: Found) -> list[str]:
    """Those that are images, in the order of their paths; the others are counted."""
    images = []
    for file in files:
        if os.path.isdir(file):
            continue
        if _is_image(file):
            images.append(file)
        else:
            found.skipped += 1
    images.sort(key=lambda file: file.replace(os.sep, "\0"))  # a folder's before its neighbours', in little memory
    return images


def _is_image(file: str) -> bool:
    """By its name or its first bytes. A broken link with an image's name counts too, so that it is reported."""
    name = os.path.basename(file)
    if name.startswith(APPLE_DOUBLE) or (os.path.exists(file) and not os.path.isfile(file)):
        return False
    return os.path.splitext(name)[1].lower() in SUFFIXES or _looks_like_one(file)


def _looks_like_one(file: str) -> bool:
    try:
        with open(file, "rb") as opened:
            return recognise(opened.read(HEAD)).name in KINDS
    except OSError:
        return False
