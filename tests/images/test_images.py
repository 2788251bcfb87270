"""What the images promise, proved on the images themselves with a root file system that is read-only."""

import re
import shutil
import tomllib
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx2
import pytest
import yaml

from api.admission.api_keys import new_key
from tests.example_images import HOPPER
from tests.images.containers import BUNDLED, ENDPOINT, GATEWAY, LOCAL, LOOPBACK, ROOT, Images, Run, free_port
from tests.waiting import wait_for

ALL = pytest.mark.parametrize("image", [GATEWAY, ENDPOINT, LOCAL])
COFFEE = HOPPER.parent / "people" / "coffee.jpg"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

LEFT_OUT = """
import glob, importlib.util as modules, shutil
print([name for name in ("gcc", "cc", "g++", "make", "ld") if shutil.which(name)]
    + [name for name in ("pip", "hatchling", "mxnet", "gluoncv", "openvino_telemetry") if modules.find_spec(name)]
    + glob.glob("/root/.cache/*") + glob.glob("/tmp/*") + glob.glob("/src/*") + glob.glob("/opt/tools"))
"""


@ALL
def test_the_user_is_a_fixed_number_other_than_root_and_can_write_nowhere(images: Images, image: str) -> None:
    """Kubernetes can check `runAsNonRoot` only where the user is a number."""
    user, group = map(int, images.config(image)["User"].split(":"))
    assert user
    assert group
    asked = images.run(Run(image), "python3", "-c", "import os; print(os.getuid(), os.getgid()); open('/tmp/x', 'w')")
    assert asked.stdout.split() == [str(user), str(group)]
    assert "Read-only file system" in asked.stderr


@ALL
def test_no_compiler_no_pip_no_cache_no_mxnet_and_no_telemetry_is_inside(images: Images, image: str) -> None:
    asked = images.run(Run(image, user="0:0"), "python3", "-c", LEFT_OUT)
    assert asked.stdout.strip() == "[]", asked.stdout + asked.stderr


def test_nothing_is_compiled_at_a_start_of_the_gateway(images: Images, gateway_run: Run) -> None:
    """On a read-only root each start would do it again, for seconds."""
    with images.answering(_verbose(gateway_run)) as (gateway, url):
        assert httpx2.post(f"{url}/detect", files={"image": HOPPER.read_bytes()}, timeout=30).status_code == 200
        assert _compiled(gateway.log) == []


def test_nothing_is_compiled_at_a_start_of_the_endpoint(images: Images) -> None:
    with images.answering(_verbose(_endpoint_run()), "serve") as (endpoint, _):
        assert _compiled(endpoint.log) == []


def test_nothing_is_compiled_at_a_start_of_both_in_one(images: Images, local_run: Run) -> None:
    with images.answering(_verbose(local_run)) as (local, url):
        assert httpx2.post(f"{url}/detect", files={"image": HOPPER.read_bytes()}, timeout=30).status_code == 200
        assert _compiled(local.log) == []


def _endpoint_run() -> Run:
    return Run(ENDPOINT, {"SAGEMAKER_BIND_TO_PORT": str(free_port())})


def _verbose(run: Run) -> Run:
    return replace(run, environment={**run.environment, "PYTHONVERBOSE": "1"})


def _compiled(verbose: str) -> list[str]:
    """The source files in Python's verbose log that came without byte code; threads write into each other's lines."""
    assert re.search(r"^# code object from '[^']+\.pyc'", verbose, re.MULTILINE)
    return re.findall(r"^# code object from ([^'\s]+\.py)$", verbose, re.MULTILINE)


@ALL
def test_the_labels_tell_the_version(images: Images, image: str) -> None:
    labels = images.config(image)["Labels"]
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "MIT"


def test_sagemaker_may_choose_the_endpoints_port_and_any_user_may_read_it(images: Images) -> None:
    assert images.config(ENDPOINT)["Labels"]["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    unread = "find /opt/inference ! -perm -a+r -o -type d ! -perm -a+x"
    asked = images.run(Run(ENDPOINT, user="65534:65534"), "sh", "-c", unread)
    assert asked.stdout + asked.stderr == ""


def test_the_gateway_knows_its_version_without_a_checkout(gateway_url: str) -> None:
    assert httpx2.get(f"{gateway_url}/health").json()["version"] == VERSION


def test_the_gateway_without_an_endpoint_ends_with_one_clear_line(images: Images) -> None:
    with images.started(Run(GATEWAY)) as gateway:
        assert gateway.process.wait(30) == 1
        (line,) = gateway.log.splitlines()
        assert "DETECT_ENDPOINT_NAME" in line


def test_the_image_that_is_built_without_options_detects_without_an_endpoint_or_a_network(local_url: str) -> None:
    assert httpx2.get(f"{local_url}/model").json()["name"] == "coco-300"
    found = httpx2.post(f"{local_url}/detect", files={"image": COFFEE.read_bytes()}, timeout=30).json()
    assert {one["label"] for one in found["detections"]} == {"cup", "dining table"}
    assert httpx2.get(local_url).status_code == 200


def test_its_keys_are_asked_for_where_it_has_some(images: Images, local_run: Run) -> None:
    key, entry = new_key("camera")
    run = replace(local_run, environment={**local_run.environment, "DETECT_API_KEYS": entry})
    with images.answering(run) as (_, url):
        asked = partial(httpx2.post, f"{url}/detect", files={"image": HOPPER.read_bytes()}, timeout=30)
        assert (asked().status_code, asked(headers={"X-API-Key": key}).status_code) == (401, 200)


def test_its_banner_shows_what_a_published_port_makes_true(images: Images, local_run: Run) -> None:
    port = local_run.environment["DETECT_PORT"]
    with images.answering(local_run) as (local, _):
        wait_for(lambda: f"--publish {LOOPBACK}:{port}:{port}" in local.log)
        assert "On the network" not in local.log


def test_no_package_is_in_it_twice(images: Images) -> None:
    """It lays the endpoint's environment over the gateway's: their lock files must agree."""
    twice = "import collections, importlib.metadata as m; names = [d.name.lower() for d in m.distributions()]; "
    asked = images.run(Run(LOCAL), "python3", "-c", f"{twice}print(len(names), len(set(names)))")
    number, different = asked.stdout.split()
    assert number == different


def test_compose_runs_it_without_privileges_for_this_machine_alone_until_it_is_healthy(
    images: Images, local_run: Run
) -> None:
    (service,) = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    assert service["build"] == "."
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    (port,) = service["ports"]
    assert port == f"{LOOPBACK}:8000:8000"
    kind, *command = service["healthcheck"]["test"]
    assert kind == "CMD"
    check = [part.replace("8000", local_run.environment["DETECT_PORT"]) for part in command]
    with images.answering(local_run):
        assert images.run(local_run, *check).returncode == 0
    assert images.run(local_run, *check).returncode != 0


def test_an_image_sent_to_the_gateway_comes_back_with_the_boxes_that_the_endpoint_found(gateway_url: str) -> None:
    found = httpx2.post(f"{gateway_url}/detect", files={"image": HOPPER.read_bytes()}, timeout=30).json()
    best = found["detections"][0]
    assert best["label"] == "person"
    assert best["score"] > 0.5
    box = best["box_normalized"]
    assert (box["x_max"] - box["x_min"]) * (box["y_max"] - box["y_min"]) > 0.25  # a portrait


def test_the_pages_come_from_the_image(gateway_url: str) -> None:
    for page in ("/", "/docs", "/openapi.json"):
        assert httpx2.get(gateway_url + page).status_code == 200


@pytest.mark.parametrize("arguments", [(), ("serve",)])
def test_the_endpoint_serves_its_bundled_model(images: Images, arguments: tuple[str, ...]) -> None:
    """SageMaker starts a container as `docker run IMAGE serve`."""
    with images.answering(_endpoint_run(), *arguments) as (endpoint, _):
        assert "/opt/inference/models/person" in endpoint.log


def test_the_endpoint_serves_the_model_that_was_unpacked_for_it(images: Images, tmp_path: Path) -> None:
    for name in ("model.onnx", "model.json"):
        shutil.copy(BUNDLED / name, tmp_path)
    tmp_path.chmod(0o755)  # the image's user is nobody on this machine
    run = replace(_endpoint_run(), folders={"/opt/ml/model": tmp_path})
    with images.answering(run, "serve") as (endpoint, _):
        assert "/opt/ml/model" in endpoint.log


def test_the_gateway_is_healthy_until_it_ends_with_0_on_sigterm(images: Images, gateway_run: Run) -> None:
    with images.answering(gateway_run) as (gateway, _):
        assert _health_check(images, gateway_run) == 0
        assert gateway.stop() == 0
    assert _health_check(images, gateway_run) != 0


def test_the_endpoint_is_healthy_until_it_ends_with_0_on_sigterm(images: Images) -> None:
    run = _endpoint_run()
    with images.answering(run, "serve") as (endpoint, _):
        assert _health_check(images, run) == 0
        assert endpoint.stop() == 0
    assert _health_check(images, run) != 0


def test_both_in_one_are_healthy_until_they_end_with_0_on_sigterm(images: Images, local_run: Run) -> None:
    with images.answering(local_run) as (local, _):
        assert _health_check(images, local_run) == 0
        assert local.stop() == 0
    assert _health_check(images, local_run) != 0


def _health_check(images: Images, run: Run) -> int:
    kind, *command = images.config(run.image)["Healthcheck"]["Test"]
    assert kind == "CMD"
    return images.run(run, *command).returncode
