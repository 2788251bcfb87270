"""Several model directories in one server, and directories that are replaced under it, in real processes."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from botocore.exceptions import ClientError

from tests.conftest import ROOT
from tests.inference.server_process import Server, ServerProcess, runtime
from tests.model_dirs import broken, replace, variant
from tests.waiting import wait_for

Box = list[float]
HOOKS = """
import words
def model_fn(model_dir): return words.SAID
def input_fn(body, content_type): return body
def predict_fn(data, model): import words; return model + words.SAID
def output_fn(prediction, accept): return '{"said": "%s"}' % prediction
"""


def best(running: ServerProcess, name: str, request: str) -> Box:
    answer = running.post(request, f"/endpoints/{name}/invocations")
    assert answer.status_code == 200, answer.text
    box: Box = answer.json()["bbox"][0]
    return box


def about(running: ServerProcess, name: str) -> dict[str, Any]:
    described: dict[str, Any] = httpx2.get(f"{running.url}/endpoints/{name}").raise_for_status().json()
    return described


@contextmanager
def clients(running: ServerProcess, request: str, number: int = 3) -> Iterator[list[httpx2.Response]]:
    """Post without a pause; every answer."""
    answers: list[httpx2.Response] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(running.post(request, "/endpoints/any/invocations"))

    threads = [threading.Thread(target=ask) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def version(answer: httpx2.Response) -> str:
    said: str = answer.json()["model"]["version"]
    return said


def speaking(folder: Path, word: str) -> Path:
    """A model directory with hooks of its own that import a module of its own."""
    (folder / "code").mkdir(parents=True)
    (folder / "code" / "inference.py").write_text(HOOKS)
    (folder / "code" / "words.py").write_text(f"SAID = {word!r}")
    return folder


def test_each_of_two_model_directories_gives_its_own_boxes(server: Server, tmp_path: Path, good_request: str) -> None:
    one, two = variant(tmp_path / "one", version="a"), variant(tmp_path / "two", 0.5, version="b")
    with server("--model-dir", f"large={one}", "--model-dir", str(two)) as running:
        running.wait_until_ready()
        wait_for(lambda: httpx2.get(f"{running.url}/endpoints/two").is_success)
        large, small = best(running, "large", good_request), best(running, "two", good_request)
        assert large != small
        assert running.post(good_request).json()["bbox"][0] == large, "the container's own route serves the first"
        assert [about(running, name)["model"]["version"] for name in ("large", "two")] == ["a", "b"]
        with pytest.raises(ClientError) as unknown:
            runtime(running.url).invoke_endpoint(EndpointName="third", Body=good_request)
        assert unknown.value.response["Error"]["Code"] == "ValidationError"


def test_hooks_with_modules_of_the_same_name_do_not_mix(server: Server, tmp_path: Path) -> None:
    one, two = speaking(tmp_path / "one", "miau"), speaking(tmp_path / "two", "wuff")
    with server("--model-dir", str(one), "--model-dir", str(two)) as running:
        wait_for(lambda: httpx2.get(f"{running.url}/endpoints/two").is_success)
        assert running.post("", "/endpoints/one/invocations").json() == {"said": "miaumiau"}
        assert running.post("", "/endpoints/two/invocations").json() == {"said": "wuffwuff"}
        (two / "code" / "words.py").write_text("SAID = 'howl'")
        assert running.post("", "/endpoints/two/reload").status_code == 200
        assert running.post("", "/endpoints/two/invocations").json() == {"said": "howlhowl"}


def test_hooks_named_like_the_servers_modules_or_pythons_break_nothing(
    server: Server, tmp_path: Path, good_request: str
) -> None:
    own = speaking(tmp_path / "own", "miau")
    servers = {file.stem for file in (ROOT / "inference").glob("*/*.py")} - {"inference", "__init__", "__main__"}
    names = [*sorted(servers), "asyncio", "json", "starlette", "uvicorn"]
    for name in names:
        (own / "code" / f"{name}.py").write_text("OURS = True\n")
    hooks = own / "code" / "inference.py"
    hooks.write_text(f"NAMES = {names}\nfor name in NAMES: assert __import__(name).OURS\n{HOOKS}")
    other = variant(tmp_path / "other")
    with server("--model-dir", str(own), "--model-dir", str(other)) as running:
        wait_for(lambda: httpx2.get(f"{running.url}/endpoints/other").is_success)
        for name in ("own", "other", "own"):
            assert running.post("", f"/endpoints/{name}/reload").status_code == 200
            assert running.post("", "/endpoints/own/invocations").json() == {"said": "miaumiau"}
            assert best(running, "other", good_request)


def test_one_directory_that_cannot_be_served_leaves_the_other_and_is_refused_at_once(
    server: Server, tmp_path: Path, good_request: str
) -> None:
    good, bad = variant(tmp_path / "good"), broken(tmp_path / "bad")
    with server("--model-dir", str(bad), "--model-dir", str(good)) as running:
        wait_for(lambda: httpx2.get(f"{running.url}/endpoints/good").is_success)
        assert best(running, "good", good_request)
        with pytest.raises(ClientError) as refused:
            runtime(running.url).invoke_endpoint(EndpointName="bad", Body=good_request)
        assert refused.value.response["Error"]["Code"] == "ServiceUnavailable"
        replace(bad, variant(tmp_path / "mended"))
        assert running.post("", "/endpoints/bad/reload").status_code == 200
        assert best(running, "bad", good_request) == best(running, "good", good_request)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sighup_takes_up_a_replaced_directory_under_load_and_loses_no_request(
    server: Server, tmp_path: Path, good_request: str, workers: str
) -> None:
    served = variant(tmp_path / "served", version="old")
    with server("--model-dir", str(served), "--workers", workers) as running:
        wait_for(lambda: running.log.read_text().count("The model is ready.") == int(workers))
        before = best(running, "any", good_request)
        with clients(running, good_request) as answers:
            wait_for(lambda: len(answers) > 10)
            replace(served, variant(tmp_path / "next", 0.5, version="new"))
            running.process.send_signal(signal.SIGHUP)
            wait_for(lambda: [version(answer) for answer in answers[-20:]] == ["new"] * 20)
        assert {answer.status_code for answer in answers} == {200}
        for answer in answers:
            assert (answer.json()["bbox"][0] == before) == (version(answer) == "old")


def test_a_broken_replacement_leaves_what_was_loaded_serving_with_one_clear_line(
    server: Server, tmp_path: Path, good_request: str
) -> None:
    served = variant(tmp_path / "served", version="old")
    with server("--model-dir", str(served)) as running:
        running.wait_until_ready()
        before, described = best(running, "any", good_request), about(running, "any")
        replace(served, broken(tmp_path / "next"))
        answer = running.post("", "/endpoints/any/reload")
        assert answer.status_code == 409
        assert answer.text.startswith("model.onnx is not a model")
        lines = [line for line in running.log.read_text().splitlines() if "cannot be served" in line]
        assert len(lines) == 1
        assert "The previous model stays in use." in lines[0]
        assert best(running, "any", good_request) == before
        assert about(running, "any") == described
        for short in (200, 260):
            other_size = json.dumps({**json.loads(good_request), "short": short})
            assert best(running, "any", other_size), "it needs no file that is no more there"


def test_a_reload_of_the_same_files_changes_nothing(server: Server, tmp_path: Path, good_request: str) -> None:
    with server("--model-dir", str(variant(tmp_path / "served"))) as running:
        running.wait_until_ready()
        before, described = best(running, "any", good_request), about(running, "any")
        assert running.post("", "/endpoints/any/reload").json() == described
        assert best(running, "any", good_request) == before


def test_memory_does_not_grow_with_reloads(server: Server, tmp_path: Path, good_request: str) -> None:
    def resident() -> int:
        return int(Path(f"/proc/{running.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with server("--model-dir", str(variant(tmp_path / "served"))) as running:
        running.wait_until_ready()
        sizes = []
        for _ in range(12):
            running.post("", "/endpoints/any/reload").raise_for_status()
            best(running, "any", good_request)
            sizes.append(resident())
        assert sizes[-1] - sizes[3] < 25e6, sizes
