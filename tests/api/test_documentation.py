"""What is documented exists, and what exists is documented."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import BaseModel, TypeAdapter

from api.cli.settings import as_markdown
from api.errors import DetectError
from api.schema import (
    Alive,
    BatchAnswer,
    CocoResult,
    Detections,
    Health,
    ModelCard,
    ModelCards,
    Problem,
    Readiness,
    RoboflowAnswer,
)
from tests.conftest import ROOT


@pytest.fixture
def openapi(client: httpx2.Client) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").raise_for_status().json()
    return document


def codes() -> set[str]:
    def below(parent: type[DetectError]) -> list[type[DetectError]]:
        return [leaf for child in parent.__subclasses__() for leaf in (below(child) or [child])]

    return {leaf.code for leaf in below(DetectError)}


def test_the_settings_page_is_what_the_settings_class_says() -> None:
    assert (ROOT / "docs" / "settings.md").read_text() == as_markdown()


def test_every_error_code_is_in_the_api_page_and_the_other_way_round() -> None:
    table = re.findall(r"^\| (\d{3}) \| `([a-z-]+)`", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)
    assert {code for _, code in table} == codes()


def test_every_variable_that_a_page_names_is_a_setting() -> None:
    known = set(re.findall(r"`(DETECT_\w+)`", as_markdown()))
    for page in (Path(ROOT / "README.md"), *ROOT.glob("docs/*.md")):
        named = set(re.findall(r"\bDETECT_[A-Z_]+\b", page.read_text()))
        assert named <= known | ENDPOINTS_OWN, page.name


# tests/inference/test_endpoint_docs.py looks after these.
ENDPOINTS_OWN = set(re.findall(r"`(DETECT_\w+)`", (ROOT / "docs" / "endpoint.md").read_text())) | {
    "DETECT_API_KEY",
    "DETECT_TEST_SHARED",
}


def test_every_answer_of_detect_has_an_example_that_keeps_its_schema(openapi: dict[str, Any]) -> None:
    responses = openapi["paths"]["/detect"]["post"]["responses"]
    found = responses.pop("200")["content"]["application/json"]["examples"]
    Detections.model_validate(found["native"]["value"])
    TypeAdapter(list[CocoResult]).validate_python(found["coco"]["value"])
    RoboflowAnswer.model_validate(found["roboflow"]["value"])
    shown = [
        Problem.model_validate(example["value"])
        for response in responses.values()
        for example in response["content"]["application/problem+json"]["examples"].values()
    ]
    batch = openapi["paths"]["/detect/batch"]["post"]["responses"]["200"]["content"]["application/json"]["example"]
    BatchAnswer.model_validate(batch)
    others = {"not-found", "method-not-allowed", "not-reloaded", "unreadable-object"}
    assert {problem.code for problem in shown} == codes() - others
    assert set(responses) == {f"{problem.status // 100}XX" for problem in shown}


def test_what_is_asked_for_most_stands_first(openapi: dict[str, Any]) -> None:
    parameters = openapi["paths"]["/detect"]["post"]["parameters"]
    assert [one["name"] for one in parameters][:4] == ["min_score", "labels", "max_detections", "model"]


def test_every_schema_is_used(openapi: dict[str, Any]) -> None:
    text = json.dumps(openapi)
    assert [name for name in openapi["components"]["schemas"] if f'"#/components/schemas/{name}"' not in text] == []
    assert "HTTPValidationError" not in text, "problems are answered instead"


def examples_of(openapi: dict[str, Any], answer: type[BaseModel]) -> list[Any]:
    """The examples of every response that has this schema: the schema's own, or the route's."""
    schema = {"$ref": f"#/components/schemas/{answer.__name__}"}
    contents = [
        response["content"]["application/json"]
        for path in openapi["paths"].values()
        for operation in path.values()
        for response in operation["responses"].values()
        if response.get("content", {}).get("application/json", {}).get("schema") == schema
    ]
    routes = [content["example"] for content in contents if "example" in content]
    own: list[Any] = openapi["components"]["schemas"][answer.__name__].get("examples", [])
    return routes + own


@pytest.mark.parametrize("answer", [Alive, Health, ModelCard, ModelCards, Readiness])
def test_every_other_answer_has_an_example_that_keeps_its_schema(
    openapi: dict[str, Any], answer: type[BaseModel]
) -> None:
    (example, *_) = examples_of(openapi, answer)
    answer.model_validate(example)


def test_the_upload_is_described_so_that_swagger_shows_a_file_picker(openapi: dict[str, Any]) -> None:
    content = openapi["paths"]["/detect"]["post"]["requestBody"]["content"]
    image = content["multipart/form-data"]["schema"]["properties"]["image"]
    assert (image["type"], image["format"]) == ("string", "binary")
    assert content["image/jpeg"]["schema"]["format"] == "binary"


def test_the_example_of_an_image_in_json_can_be_sent(openapi: dict[str, Any], client: httpx2.Client) -> None:
    content = openapi["paths"]["/detect"]["post"]["requestBody"]["content"]
    client.post("/detect", json=content["application/json"]["example"]).raise_for_status()


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/"])
def test_a_page_loads_nothing_from_another_host(client: httpx2.Client, path: str) -> None:
    page = client.get(path).raise_for_status().text
    loaded = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert loaded
    assert not [address for address in loaded if re.match(r"(https?:)?//", address)]
    for address in loaded:
        if not address.startswith("data:"):
            client.get(address).raise_for_status()


def test_health_model_and_liveness_say_what_they_promise(client: httpx2.Client) -> None:
    health = client.get("/health").raise_for_status().json()
    assert health["status"] == "ready"
    assert health["endpoint"] == {
        "kind": "sagemaker",
        "name": "seed",
        "ready": True,
        "breaker": "closed",
        "last_error": None,
    }
    assert health["models"] == [{"name": "seed", "version": "", "endpoint": health["endpoint"]}]
    assert health["uptime_seconds"] >= 0
    assert client.get("/health/live").json() == {"status": "alive"}
    assert client.get("/health/ready").json() == {"status": "ready"}
    model = client.get("/model").raise_for_status().json()
    assert (model["name"], model["labels"], model["input_size"]) == ("seed", ["person"], 512)
    assert model["formats"] == ["jpeg", "png", "webp"]
    assert model["limits"] == {"max_body_bytes": 10485760, "max_pixels": 50000000, "max_side": 16384}


def test_the_clients_own_codes_are_in_the_command_lines_page_and_the_other_way_round() -> None:
    source = (ROOT / "api" / "client_errors.py").read_text()
    _, page = (ROOT / "docs" / "command-line.md").read_text().split("| code |")
    codes_made = re.findall(r'(?:\d|status), "([a-z-]+)",', source)
    assert set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)) == set(codes_made)
