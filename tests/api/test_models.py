"""Several models behind one gateway: who answers, what is known of each, and that one's trouble is its own."""

import json
import subprocess
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import deepstack.core
import httpx2
import pytest
from pydantic import ValidationError

from api.admission.api_keys import new_key
from api.client import Client, GatewayError
from api.settings import Settings
from tests.api.conftest import Start
from tests.api.processes import run
from tests.api.responses import problem
from tests.example_images import HOPPER, jpeg
from tests.seed_endpoint import SeedEndpoint, answer, reply
from tests.waiting import wait_for

PEOPLE = {"endpoint_name": "people-prod", "labels": ["person"], "input_size": 512}
PETS = {"endpoint_name": "pets-prod", "labels": ["cat", "dog"], "input_size": 300, "fit": "pad", "min_score": 0.3}
ENDPOINTS = json.dumps({"people": PEOPLE, "pets": PETS})
PERSON, DOG = (0, 0.9, (0.0, 0.0, 256.0, 512.0)), (1, 0.4, (75.0, 0.0, 225.0, 300.0))
IMAGE = jpeg(400, 200)
KEY, ENTRY = new_key("camera")


@pytest.fixture
def both(start: Start, seed_endpoint: SeedEndpoint) -> httpx2.Client:
    """A gateway with two models, behind two endpoints, with different labels and sizes."""
    seed_endpoint.scripts = {
        "people-prod": lambda _: reply(answer(PERSON)),
        "pets-prod": lambda _: reply(answer(DOG, size=300)),
    }
    return start(endpoint_name=None, endpoints=ENDPOINTS, breaker_faults=2, endpoint_calls=4)


def detect(client: httpx2.Client, image: bytes = IMAGE, **query: Any) -> httpx2.Response:
    return client.post("/detect", files={"image": image}, params=query)


def found(response: httpx2.Response) -> list[tuple[str, dict[str, float]]]:
    return [(one["label"], one["box"]) for one in response.raise_for_status().json()["detections"]]


def test_each_model_answers_with_its_own_labels_size_fit_and_least_score(
    both: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    people, pets = detect(both, model="people"), detect(both, model="pets")
    assert found(people) == [("person", {"x_min": 0, "y_min": 0, "x_max": 200, "y_max": 200})]
    assert found(pets) == [("dog", {"x_min": 100, "y_min": 0, "x_max": 300, "y_max": 200})], "letterboxed"
    assert [request["short"] for request in seed_endpoint.requests] == [512, 300]
    assert [one.json()["model"]["name"] for one in (people, pets)] == ["people", "pets"]
    assert [one.json()["parameters"]["min_score"] for one in (people, pets)] == [0.5, 0.3]


def test_the_first_is_asked_where_a_request_names_none(both: httpx2.Client) -> None:
    assert found(detect(both)) == found(detect(both, model="people"))
    assert both.get("/model").json()["name"] == "people"


def test_a_batch_and_every_format_take_the_model_too(both: httpx2.Client) -> None:
    files = [("image", IMAGE)] * 2
    batch = both.post("/detect/batch", files=files, params={"model": "pets"}).raise_for_status().json()
    assert [entry["result"]["detections"][0]["label"] for entry in batch["entries"]] == ["dog", "dog"]
    assert detect(both, model="pets", format="coco").json()[0]["category_id"] == 18
    assert detect(both, model="pets", format="png").headers["Content-Type"] == "image/png"


def test_deepstacks_custom_models_are_these(both: httpx2.Client) -> None:
    def labels(**options: str) -> list[str]:
        url = both.base_url
        client = deepstack.core.DeepstackObject(ip=url.host, port=url.port, min_confidence=0.1, **options)
        return [one["label"] for one in client.detect(IMAGE)]

    assert labels() == labels(custom_model="people") == ["person"]
    assert labels(custom_model="pets") == ["dog"]
    unknown = both.post("/v1/vision/custom/cars", files={"image": IMAGE})
    assert (unknown.status_code, unknown.json()["success"]) == (404, False)


def test_the_list_of_models_says_of_each_what_it_is_the_default_first(both: httpx2.Client) -> None:
    listed = both.get("/models").raise_for_status().json()
    assert listed["count"] == 2
    people, pets = listed["models"]
    assert (people["name"], people["labels"], people["input_size"], people["fit"]) == (
        "people",
        ["person"],
        512,
        "stretch",
    )
    assert (pets["name"], pets["labels"], pets["input_size"], pets["fit"]) == ("pets", ["cat", "dog"], 300, "pad")
    assert both.get("/model", params={"model": "pets"}).json() == pets


@pytest.mark.parametrize("path", ["/detect", "/detect/batch", "/model", "/health/ready"])
def test_an_unknown_model_is_404_with_a_code_of_its_own(both: httpx2.Client, path: str) -> None:
    query = {"model": "cars"}
    posted = "detect" in path
    response = both.post(path, files={"image": IMAGE}, params=query) if posted else both.get(path, params=query)
    problem(response, 404, "unknown-model")


def test_a_key_is_asked_for_before_a_model_is_looked_up(start: Start) -> None:
    client = start(endpoint_name=None, endpoints=ENDPOINTS, api_keys=ENTRY)
    problem(detect(client, model="cars"), 401, "unauthenticated")
    problem(client.get("/models"), 401, "unauthenticated")


def test_a_label_belongs_to_its_model(both: httpx2.Client) -> None:
    assert found(detect(both, model="pets", labels="dog"))
    problem(detect(both, model="people", labels="dog"), 422, "invalid-parameter")


def test_one_breaker_that_opens_leaves_the_other_model_ready_and_health_says_both(
    both: httpx2.Client, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.scripts["pets-prod"] = lambda _: reply(b"", 503)
    for _ in range(2):
        problem(detect(both, model="pets"), 503, "endpoint-unavailable")
    people, pets = both.get("/health").raise_for_status().json()["models"]
    assert (people["name"], people["endpoint"]["ready"], people["endpoint"]["breaker"]) == ("people", True, "closed")
    assert (pets["name"], pets["endpoint"]["ready"], pets["endpoint"]["breaker"]) == ("pets", False, "open")
    assert detect(both, model="people").is_success
    assert both.get("/health/ready").status_code == 200
    assert both.get("/health/ready", params={"model": "people"}).status_code == 200
    assert both.get("/health/ready", params={"model": "pets"}).status_code == 503
    figures = both.get("/metrics").text
    assert 'detect_breaker{model="people"} 0.0' in figures
    assert 'detect_breaker{model="pets"} 2.0' in figures
    assert 'detect_endpoint_errors_total{code="endpoint-unavailable",model="pets"} 2.0' in figures
    assert 'detect_billed_invocations_total{model="people"} 1.0' in figures


def test_a_slow_model_takes_no_room_from_another(both: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    go_on = threading.Event()
    seed_endpoint.scripts["pets-prod"] = lambda _: (go_on.wait(20), reply(answer()))[1]
    with ThreadPoolExecutor(12) as clients:
        asked = [clients.submit(detect, both, model="pets") for _ in range(12)]
        wait_for(lambda: b'detect_waiting{place="endpoint"} 8.0' in both.get("/metrics").content)
        assert all(found(detect(both, model="people")) for _ in range(5))
        go_on.set()
    assert Counter(one.result().status_code for one in asked) == {200: 12}


def test_none_ready_is_503(both: httpx2.Client, seed_endpoint: SeedEndpoint) -> None:
    seed_endpoint.scripts = {"people-prod": lambda _: reply(b"", 503), "pets-prod": lambda _: reply(b"", 503)}
    for model in ("people", "pets", "people", "pets"):
        detect(both, model=model)
    assert both.get("/health").status_code == both.get("/health/ready").status_code == 503


def test_a_model_at_sagemaker_is_not_reloaded_and_the_answer_says_what_does(both: httpx2.Client) -> None:
    response = both.post("/models/people/reload")
    assert "detect-deploy update" in problem(response, 409, "not-reloaded")["detail"]
    problem(both.post("/models/cars/reload"), 404, "unknown-model")


def test_reloading_wants_an_admin_key(start: Start) -> None:
    admin, admin_entry = new_key("operator", admin=True)
    client = start(endpoint_name=None, endpoints=ENDPOINTS, api_keys=f"{ENTRY},{admin_entry}")

    def reload(**headers: str) -> httpx2.Response:
        return client.post("/models/people/reload", headers=headers)

    problem(reload(), 401, "unauthenticated")
    problem(reload(Authorization=f"Bearer {KEY}"), 403, "forbidden")
    problem(reload(Authorization=f"Bearer {admin}"), 409, "not-reloaded")
    assert client.get("/models", headers={"X-API-Key": admin}).is_success, "an admin key is a key"


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "192.0.2.7"}, {"Origin": "http://elsewhere.example"}])
def test_without_keys_neither_another_machine_nor_a_page_may_reload(
    both: httpx2.Client, headers: dict[str, str]
) -> None:
    problem(both.post("/models/people/reload", headers=headers), 403, "forbidden")


def test_the_client_and_the_command_line_name_the_model(both: httpx2.Client) -> None:
    url = str(both.base_url)
    with Client(url, tries=1) as client:
        assert client.detect(IMAGE, model="pets").detections[0].label == "dog"
        assert client.model("pets").labels == ("cat", "dog")
        assert [one.name for one in client.models()] == ["people", "pets"]
        with pytest.raises(GatewayError, match="detect-deploy"):
            client.reload("pets")
    answered = json.loads(run("detect", HOPPER, "--json", "--url", url, "--model", "pets").stdout)
    assert answered["model"]["name"] == "pets"
    wrong = run("detect", HOPPER, "--url", url, "--model", "cars", check=False)
    assert wrong.returncode == 1
    assert "Unknown model" in wrong.stderr


def refused(endpoints: object, **options: Any) -> str:
    with pytest.raises(ValidationError) as error:
        Settings(
            _env_file=None, endpoints=endpoints if isinstance(endpoints, str) else json.dumps(endpoints), **options
        )
    return str(error.value)


def test_a_list_of_models_that_makes_no_sense_is_refused_in_words() -> None:
    assert "Expecting" in refused("{not json")
    assert "either endpoint_name or model_dir" in refused({"people": {}})
    assert "either endpoint_name or model_dir" in refused({"people": {**PEOPLE, "model_dir": "/models"}})
    assert "lables" in refused({"people": {**PEOPLE, "lables": []}})
    assert "input_size" in refused({"people": {**PEOPLE, "input_size": 5}})
    assert "not a valid model name" in refused({"a/b": PEOPLE})
    assert "unset DETECT_MODEL_DIR" in refused({"people": PEOPLE}, model_dir="/models")
    assert "unset DETECT_LABELS" in refused({"people": PEOPLE}, labels="person")


def test_a_wrong_list_stops_the_start_with_one_clear_line() -> None:
    ended: subprocess.CompletedProcess[str] = run(
        "serve", check=False, DETECT_ENDPOINTS='{"people": {"endpoint_name": "a", "input_size": 5}}'
    )
    assert ended.returncode == 1
    assert "DETECT_ENDPOINTS[people][input_size]=5" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
