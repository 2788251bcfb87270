"""An image as it is: fitted as the model's model.json says, its boxes in pixels of the image, without a gateway."""

import json
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

import canvas
import codec
from api.image.decode import canvases
from api.image.fit import FITS
from api.image.inspection import inspect
from tests.api.gateway import gateway
from tests.example_images import HOPPER, encoded, scene, stored
from tests.inference.server_process import ServerProcess, runtime, start_server
from tests.model_dirs import variant

SEEN = 0.3
Found = list[tuple[float, list[float]]]
Detect = Callable[[bytes, float, str], tuple[Found, int]]  # the boxes, and the image's longer side


@pytest.fixture(scope="module", params=["stretch", "pad"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def fitting(how: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server of the bundled detector that says, in model.json, how images are fitted."""
    folder = tmp_path_factory.mktemp(how)
    with start_server(folder, "--model-dir", str(variant(folder / "model", fit=how))) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture
def detect(how: str, fitting: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> Detect:
    """Asks a gateway, whose canvas has this format and which asks the same server as it would ask SageMaker."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME", fitting.url)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")

    def detect(image: bytes, least: float, canvas_format: str) -> tuple[Found, int]:
        with gateway(endpoint_name="any", input_size=300, fit=how, canvas_format=canvas_format) as client:
            asked = client.post("/detect", files={"image": image}, params={"min_score": least})
        answer = asked.raise_for_status().json()
        boxes = [(one["score"], list(one["box"].values())) for one in answer["detections"]]
        return boxes, max(answer["image"]["width"], answer["image"]["height"])

    return detect


def ask(server: ServerProcess, image: bytes, kind: str = "image/jpeg") -> dict[str, Any]:
    response = server.post(image, headers={"content-type": kind})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def found(answer: dict[str, Any], least: float = SEEN) -> Found:
    rows = zip(answer["cid"], answer["score"], answer["bbox"], strict=True)
    return [(score, box) for (cid,), (score,), box in rows if cid >= 0 and score >= least]


def assert_close(ours: Found, theirs: Found, pixels: float, score: float) -> None:
    """The boxes of both, best first, so close to one another."""
    assert len(ours) == len(theirs)
    for (one_score, one), (other_score, other) in zip(ours, theirs, strict=True):
        assert one_score == pytest.approx(other_score, abs=score)
        assert one == pytest.approx(other, abs=pixels)


@pytest.mark.parametrize("kind", ["image/jpeg", "image/png", "image/webp"])
def test_an_image_is_answered_with_the_four_keys_in_pixels_of_the_image(endpoint: ServerProcess, kind: str) -> None:
    image = Image.open(HOPPER)
    answer = ask(endpoint, encoded(image, kind.removeprefix("image/").upper()), kind)
    assert answer["frame"] == "image"
    assert [len(answer[key]) for key in ("cid", "score", "bbox")] == [100] * 3
    assert answer["shape"] == [1, 3, 300, 300]
    boxes = [box for _, box in found(answer)]
    assert boxes
    assert max(box[2] for box in boxes) > 300
    assert all(0 <= x1 < x2 <= image.width and 0 <= y1 < y2 <= image.height for x1, y1, x2, y2 in boxes)


@pytest.mark.parametrize("kind", ["application/x-image", "image/png", "Image/JPG; quality=1"])
def test_the_bytes_decide_whatever_image_type_is_named(endpoint: ServerProcess, kind: str) -> None:
    assert ask(endpoint, HOPPER.read_bytes(), kind) == ask(endpoint, HOPPER.read_bytes())


def test_json_is_answered_in_the_tensors_pixels_as_ever(endpoint: ServerProcess) -> None:
    answer = endpoint.detect(HOPPER.read_bytes(), 300)
    assert answer.keys() == {"shape", "cid", "score", "bbox", "model"}


def test_boto3_gets_an_images_boxes_without_a_gateway(endpoint: ServerProcess) -> None:
    client, image = runtime(endpoint.url), HOPPER.read_bytes()
    answer = client.invoke_endpoint(EndpointName="detector", ContentType="image/jpeg", Body=image)
    assert answer["ContentType"] == "application/json"
    assert json.load(answer["Body"]) == ask(endpoint, image)
    with pytest.raises(client.exceptions.ModelError) as refused:
        client.invoke_endpoint(EndpointName="detector", ContentType="image/jpeg", Body=image[:5000])
    assert refused.value.response["OriginalStatusCode"] == 422
    assert refused.value.response["OriginalMessage"].isprintable()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_an_image_held_in_any_of_the_eight_ways_gives_the_boxes_of_the_upright_one(
    fitting: ServerProcess, format: str
) -> None:
    upright = Image.open(HOPPER)
    options = {} if format == "PNG" else {"quality": 95}
    expected = found(ask(fitting, encoded(upright, format, **options)), 0.9)
    assert expected
    for orientation in range(1, 9):
        turned = ask(fitting, stored(upright, orientation, format, **options))
        assert_close(found(turned, 0.9), expected, pixels=0.02 * max(upright.size), score=0.05)


@pytest.mark.parametrize("name", ["seed/messi.jpg", "orientation/Portrait_6.jpg", HOPPER.name])
@pytest.mark.parametrize(
    ("canvas_format", "least", "pixels", "score"), [("png", SEEN, 0.5, 1e-3), ("jpeg", 0.98, 3, 0.01)]
)
def test_the_boxes_are_those_of_the_gateways_detect(
    fitting: ServerProcess,
    detect: Detect,
    shared: Path,
    name: str,
    canvas_format: str,
    least: float,
    pixels: float,
    score: float,
) -> None:
    """All of them where its canvas loses nothing, in pixels of the canvas; those that are sure where it is a JPEG."""
    image = (HOPPER if name == HOPPER.name else shared / "pictures" / name).read_bytes()
    boxes, longer = detect(image, least, canvas_format)
    assert boxes
    assert_close(found(ask(fitting, image), least), boxes, pixels=pixels * longer / 300, score=score)


@pytest.mark.parametrize(
    ("name", "upload"),
    {
        "a large JPEG": encoded(scene(2000, 1300), quality=90),
        "a tall JPEG lying": stored(scene(500, 900), 6),
        "a JPEG that lacks its end marker alone": encoded(scene())[:-2],
        "CMYK": encoded(scene().convert("CMYK")),
        "grey": encoded(scene().convert("L"), "PNG"),
        "16 bits of grey": encoded(
            Image.linear_gradient("L").convert("I").point(lambda v: v * 257).convert("I;16"), "PNG"
        ),
        "a palette": encoded(scene().convert("P"), "PNG"),
        "one transparent colour": encoded(scene().convert("P"), "PNG", transparency=3),
        "transparent": encoded(
            Image.merge("RGBA", (*scene().split(), Image.linear_gradient("L").resize((640, 480)))), "PNG"
        ),
        "WebP, transparent": encoded(scene().convert("RGBA"), "WEBP", lossless=True),
        "one pixel": encoded(scene(1, 1), "PNG"),
        "a line": encoded(scene(900, 1), "PNG"),
        "a colour profile": encoded(
            scene(), icc_profile=ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        ),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_canvas_has_the_gateways_pixels(how: str, name: str, upload: bytes) -> None:
    image = inspect(upload, ("jpeg", "png", "webp"), 50_000_000, 16_384)
    gateways = canvases(image, [FITS[how](image.width, image.height, 300)], 300, "png")[0]
    ours, fit = canvas.draw(upload, 300, how)
    assert (fit.width, fit.height) == (image.width, image.height)
    theirs = np.asarray(Image.open(BytesIO(gateways)))
    assert int(np.abs(ours.astype(int) - theirs).max()) <= 2, name


def test_boxes_beside_the_image_are_left_out_and_the_others_stay_sorted() -> None:
    fit = canvas.fitted(600, 300, 300, "pad")  # drawn in rows 75 to 225
    rows = np.full((100, 6), -1, np.float32)
    rows[:3] = [[0, 0.9, 0, 0, 300, 70], [0, 0.8, -10, 60, 150, 150], [1, 0.7, 100, 100, 200, 200]]
    moved = canvas.to_image(codec.Detections((1, 3, 300, 300), rows[:, :1], rows[:, 1:2], rows[:, 2:]), fit)
    assert moved.boxes[:3].tolist() == [[0, 0, 300, 150], [200, 50, 400, 250], [-1] * 4]
    assert moved.scores[:3, 0].tolist() == pytest.approx([0.8, 0.7, -1])
    assert moved.ids[:3, 0].tolist() == [0, 1, -1]


@pytest.mark.parametrize(
    "exif", [b"", b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03"]
)
def test_an_image_with_damaged_exif_counts_as_upright(exif: bytes) -> None:
    assert canvas.exif_orientation(exif) == 1


def test_a_model_json_with_an_unknown_fit_is_refused_when_it_is_loaded(tmp_path: Path) -> None:
    with start_server(tmp_path, "--model-dir", str(variant(tmp_path / "model", fit="crop"))) as running:
        assert running.process.wait(60) == 1
        assert "fit must be stretch or pad" in running.log.read_text()


def test_image_bodies_are_answered_on_the_mxnet_engine_with_the_same_boxes(
    endpoint: ServerProcess, mxnet_endpoint: ServerProcess
) -> None:
    ours, theirs = (ask(server, HOPPER.read_bytes()) for server in (endpoint, mxnet_endpoint))
    assert theirs["frame"] == "image"
    assert_close(found(ours), found(theirs), pixels=2, score=0.01)
