"""The artifact: weights at the root, hooks in code/, same input, same bytes."""

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.artifact import HOOKS, hooks, pack, written
from deploy.errors import Refused
from deploy.targets import TARGETS
from tests.deploy.commands import Weights


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return tar.getnames()


def test_weights_lie_at_the_root_and_hooks_in_code(weights: Weights, hooks: Path) -> None:
    artifact = pack(TARGETS["cpu"], weights(), hooks)
    assert names(artifact.content) == ["code/codec.py", "code/inference.py", "model.json", "model.onnx"]


def test_nothing_but_what_the_target_reads_is_packed(weights: Weights, hooks: Path) -> None:
    folder = weights()
    for stranger in ("secret.pem", "README.md", ".env", "notes.json"):
        (folder / stranger).write_text("secret")
    (folder / "model.d").mkdir()
    found = names(pack(TARGETS["cpu"], folder, hooks).content)
    assert found == ["code/codec.py", "code/inference.py", "model.json", "model.onnx"]


@pytest.mark.parametrize("name", ["model.onnx", "model.json", "other.onnx"])
def test_a_link_is_refused(weights: Weights, hooks: Path, tmp_path: Path, name: str) -> None:
    folder, secret = weights(), tmp_path / "id_rsa"
    secret.write_text("secret")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(secret)
    with pytest.raises(Refused, match=name):
        pack(TARGETS["cpu"], folder, hooks)


def test_another_engines_weights_stay_behind(weights: Weights, hooks: Path) -> None:
    assert "model.onnx" not in names(pack(TARGETS["mxnet"], weights(), hooks).content)


def test_gluoncv_is_asked_for_only_where_a_network_has_to_be_built(weights: Weights, hooks: Path) -> None:
    folder = weights()
    assert "code/requirements.txt" not in names(pack(TARGETS["eia"], folder, hooks).content)
    (folder / "model-symbol.json").unlink()
    assert "code/requirements.txt" in names(pack(TARGETS["eia"], folder, hooks).content)
    assert "code/requirements.txt" not in names(pack(TARGETS["cpu"], folder, hooks).content)


def test_the_empty_artifact_has_hooks_and_no_weights(hooks: Path) -> None:
    found = names(pack(TARGETS["mxnet"], None, hooks).content)
    assert found == ["code/codec.py", "code/inference.py", "code/requirements.txt"]


def test_dates_owners_and_permissions_of_files_do_not_matter(weights: Weights, hooks: Path) -> None:
    folder = weights()
    before = pack(TARGETS["cpu"], folder, hooks)
    for file in folder.iterdir():
        file.chmod(0o600)
        os.utime(file, (time.time() + 1000, 0))
    assert pack(TARGETS["cpu"], folder, hooks).content == before.content


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}\.[a-z]{1,6}", fullmatch=True), st.binary(max_size=100), max_size=5))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_packed_comes_out_and_order_does_not_matter(files: dict[str, bytes]) -> None:
    artifact = written(dict(files))
    assert written(dict(reversed(files.items()))).sha256 == artifact.sha256
    with tarfile.open(fileobj=io.BytesIO(artifact.content)) as tar:
        found = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    assert found == files


def test_every_module_of_the_folder_is_packed_as_it_is_and_nothing_else(weights: Weights) -> None:
    with tarfile.open(fileobj=io.BytesIO(pack(TARGETS["cpu"], weights(), HOOKS).content)) as tar:
        packed = {name: tar.extractfile(name).read() for name in tar.getnames()}  # type: ignore[union-attr]
    code = {name.removeprefix("code/"): content for name, content in packed.items() if name.startswith("code/")}
    assert code == {path.name: path.read_bytes() for path in HOOKS.glob("*.py")}


def test_another_process_on_another_day_packs_the_same_bytes(weights: Weights, hooks: Path) -> None:
    folder = weights()
    program = (
        "import sys; from pathlib import Path; from deploy.artifact import pack; from deploy.targets import TARGETS; "
        "print(pack(TARGETS['cpu'], Path(sys.argv[1]), Path(sys.argv[2])).sha256)"
    )
    line = [sys.executable, "-c", program, str(folder), str(hooks)]
    elsewhere = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    answers = [subprocess.run(line, env=elsewhere, capture_output=True, text=True, check=True).stdout.strip()]
    assert answers == [pack(TARGETS["cpu"], folder, hooks).sha256]


def test_a_folder_without_hooks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"inference\.py"):
        hooks(tmp_path)
