"""Which model a directory holds, and what is said of it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

import cores
import manifest
import onnx_engine
from errors import ModelNotUsable
from tests.model_dirs import BUNDLED


def test_the_bundled_directory_describes_itself() -> None:
    described = manifest.read_manifest(str(BUNDLED))
    told = json.loads((BUNDLED / "model.json").read_text())
    assert described._asdict() == {name: value for name, value in told.items() if name != "min_score"}


def test_what_model_json_leaves_out_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "model.json").write_text('{"labels": ["cat"], "comment": "not for us"}')
    monkeypatch.setenv("DETECT_LABELS", "dog")
    monkeypatch.setenv("DETECT_INPUT_SIZE", "320")
    monkeypatch.setenv("DETECT_MEAN", "0.1, 0.2, 0.3")
    described = manifest.read_manifest(str(tmp_path))
    assert (described.labels, described.input_size, described.mean) == (["cat"], 320, [0.1, 0.2, 0.3])
    assert described.std == manifest.DEFAULTS.std


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"labels": []}', '{"labels": [1]}', '{"input_size": "big"}', '{"mean": [1]}', "\xff"]
)
def test_a_wrong_model_json_is_named_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ModelNotUsable) as wrong:
        manifest.read_manifest(str(tmp_path))
    assert str(wrong.value).isprintable()


def test_a_wrong_variable_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DETECT_INPUT_SIZE", "large")
    with pytest.raises(ModelNotUsable, match="DETECT_INPUT_SIZE"):
        manifest.read_manifest(str(tmp_path))


def test_the_second_model_fn_is_free(hooks: Any) -> None:
    assert hooks.model_fn(str(BUNDLED)) is hooks.model_fn(str(BUNDLED))


def test_a_copy_of_a_model_is_not_loaded_again_and_other_weights_are(hooks: Any, tmp_path: Path) -> None:
    for name in ("copy", "other"):
        (tmp_path / name).mkdir()
        for file in ("model.json", "model.onnx"):
            shutil.copyfile(BUNDLED / file, tmp_path / name / file)
        (tmp_path / name / "MANIFEST").write_text("what a container adds")
    (tmp_path / "other" / "model.json").write_text((BUNDLED / "model.json").read_text().replace("person-300", "other"))
    first = hooks.model_fn(str(tmp_path / "copy"))
    shutil.copytree(tmp_path / "copy", tmp_path / "again")
    assert hooks.model_fn(str(tmp_path / "again")) is first
    shutil.rmtree(tmp_path / "copy")
    assert hooks.model_fn(str(tmp_path / "other")).about["name"] == "other"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, 10**6),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 10**6),
        ({}, 10**6),
    ],
)
def test_the_containers_quota_is_read(tmp_path: Path, files: dict[str, str], expected: float) -> None:
    (tmp_path / "cpu").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert cores.cpu_quota(str(tmp_path)) == expected


def test_there_is_always_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "cpu_quota", lambda: 0.5)
    assert cores.usable_cores() == 1


def test_the_engine_asks_for_the_cores_that_the_container_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr(cores, "cpu_quota", lambda: 3.5)
    assert onnx_engine.settings()["INFERENCE_NUM_THREADS"] == 3
    monkeypatch.setenv("DETECT_THREADS", "5")
    assert onnx_engine.settings()["INFERENCE_NUM_THREADS"] == 5


def test_a_network_keeps_to_its_threads_and_to_float32_whatever_the_processor_prefers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OpenVINO takes bfloat16 by itself where the processor has it."""
    monkeypatch.setattr(cores, "cpu_quota", lambda: 1.9)
    detector = onnx_engine.load(str(BUNDLED), manifest.read_manifest(str(BUNDLED)))
    (network,) = detector._networks.values()
    compiled = network.get_compiled_model()
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
