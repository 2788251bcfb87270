"""The model artifact: weights at the root, the hooks in code/. Same input, same bytes."""

import base64
import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from deploy.errors import Refused
from deploy.targets import INPUT_SIZE, ONNX, Target

INFERENCE = Path(__file__).parent.parent / "inference"
HOOKS = INFERENCE / "hooks"
MANIFEST = "model.json"
BUNDLED_MODEL = INFERENCE / "models" / "person"
LARGEST = 5 * 1024**3  # one PutObject, so that a killed upload leaves nothing


@dataclass(frozen=True)
class Artifact:
    """A packed model.tar.gz."""

    content: bytes

    @cached_property
    def sha256(self) -> str:
        """The digest of the bytes, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def checksum(self) -> str:
        """The digest as S3 writes it."""
        return base64.b64encode(bytes.fromhex(self.sha256)).decode()

    @property
    def size(self) -> int:
        """How many bytes."""
        return len(self.content)


def pack(target: Target, model_dir: Path | None, code_dir: Path = HOOKS) -> Artifact:
    """The artifact for a target; `model_dir` None makes the original's empty one. Raises Refused on unfit weights."""
    members: dict[str, bytes | Path] = {f"code/{path.name}": path.read_bytes() for path in hooks(code_dir)}
    if model_dir is not None:
        members |= {path.name: path for path in weights(target, model_dir)}
    elif target.weights == ONNX:
        raise Refused(
            f"The target {target.name} has no weights of its own, so an empty artifact cannot work there.",
            hint="Give --model-dir, or choose --target mxnet, whose container fetches GluonCV's weights.",
        )
    if target.requirements and not any(name.endswith("-symbol.json") for name in members):
        members["code/requirements.txt"] = f"{target.requirements}\n".encode()
    return written(members)


def hooks(code_dir: Path) -> list[Path]:
    """The modules of the folder of hooks, all of them. Raises Refused where inference.py is missing."""
    if not (code_dir / "inference.py").is_file():
        raise Refused(f"There is no inference.py in {code_dir}.", hint="Name the folder of the hooks: --code-dir.")
    return sorted(code_dir.glob("*.py"))


def weights(target: Target, model_dir: Path) -> list[Path]:
    """The files of a model folder that the target reads; whatever else lies there stays there.

    Raises Refused where there are none: an ONNX file is of no use to MXNet, nor .params to ONNX Runtime. And for
    links: what they point to may be anything of this machine's.
    """
    if not model_dir.is_dir():
        raise Refused(f"There is no folder {model_dir}.", hint="Name the folder of the weights: --model-dir.")
    files = [path for path in sorted(model_dir.iterdir()) if matches(path, (*target.weights, MANIFEST))]
    if links := [path.name for path in files if path.is_symlink() or not path.is_file()]:
        raise Refused(f"{', '.join(links)} in {model_dir} is no plain file.", hint="Copy the file there.")
    if not any(matches(path, target.weights) for path in files):
        raise Refused(
            f"{model_dir} has no {' or '.join(target.weights)}, and the target {target.name} reads nothing else.",
            hint="`inference/export/` makes ONNX of MXNet weights; --target mxnet runs .params as they are.",
        )
    return files


def matches(path: Path, patterns: Iterable[str]) -> bool:
    """Whether a file's name fits one of the patterns."""
    return any(fnmatch(path.name, pattern) for pattern in patterns)


def written(members: dict[str, bytes | Path]) -> Artifact:
    """Packs members by name without anything of this machine in it: no dates, owners or permissions."""
    file = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|") as tar,
    ):
        for name, content in sorted(members.items()):
            add(tar, name, content)
    if file.tell() > LARGEST:
        raise Refused("The artifact is over 5 GB.", hint="Leave only the weights in --model-dir.")
    return Artifact(file.getvalue())


def add(tar: tarfile.TarFile, name: str, content: bytes | Path) -> None:
    """One file, as anyone anywhere would pack it."""
    member = tarfile.TarInfo(name)
    member.mode = 0o644
    with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
        member.size = source.seek(0, os.SEEK_END)
        source.seek(0)
        tar.addfile(member, source)


def input_size(model_dir: Path | None) -> int:
    """Side N that a model folder's model.json names, else the default. Raises Refused where it cannot be read."""
    path = model_dir / MANIFEST if model_dir else None
    if path is None or not path.is_file():
        return INPUT_SIZE
    try:
        return int(json.loads(path.read_text(encoding="utf-8")).get("input_size", INPUT_SIZE))
    except (ValueError, TypeError, AttributeError) as error:
        raise Refused(f"{path} is not the JSON that describes a model.") from error
