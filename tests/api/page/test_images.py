"""How images come in, how they are turned and scaled, and how they come out again."""

import base64
from pathlib import Path

import httpx2
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.api.browsing import needs_chromium
from tests.api.page.seeing import DOG, PERSON, Open, answered, area, choose, code, done, shown
from tests.example_images import HOPPER, encoded, jpeg, pixel, scene, stored
from tests.seed_endpoint import SeedEndpoint, answer, reply

pytestmark = needs_chromium


def transfer(name: str, data: bytes) -> str:
    """JavaScript for a DataTransfer that holds one file."""
    content = base64.b64encode(data).decode()
    return f"""(() => {{
        const held = new DataTransfer();
        const bytes = Uint8Array.from(atob("{content}"), (one) => one.charCodeAt(0));
        held.items.add(new File([bytes], "{name}"));
        return held;
    }})()"""


def corners(page: Page) -> dict[str, list[int]]:
    """The colours just inside the corners of the image on the page, and its size."""
    seen: dict[str, list[int]] = page.evaluate("""() => {
        const [pen, {width, height}] = [image.getContext("2d"), image];
        const at = (x, y) => [...pen.getImageData(x, y, 1, 1).data.slice(0, 3)];
        const [right, bottom] = [width - 6, height - 6];
        return {size: [width, height], tl: at(5, 5), tr: at(right, 5), bl: at(5, bottom), br: at(right, bottom)};
    }""")
    return seen


def marked_corners() -> Image.Image:
    """Red, green, blue and white corners; higher than it is wide."""
    image = Image.new("RGB", (160, 240))
    for at, colour in {(0, 0): "red", (80, 0): "lime", (0, 120): "blue", (80, 120): "white"}.items():
        image.paste(colour, (*at, at[0] + 80, at[1] + 120))
    return image


UPRIGHT = {"size": [160, 240], "tl": [255, 0, 0], "tr": [0, 255, 0], "bl": [0, 0, 255], "br": [255, 255, 255]}


def behind_the_pixels(png: bytes) -> bytes:
    """The PNG with its eXIf chunk moved to the end."""
    at = png.index(b"eXIf") - 4
    end = at + 12 + int.from_bytes(png[at : at + 4], "big")
    last = png.index(b"IEND") - 4
    return png[:at] + png[end:last] + png[at:end] + png[last:]


def assert_upright(page: Page) -> None:
    seen = corners(page)
    assert seen.pop("size") == UPRIGHT["size"]
    for corner, colour in seen.items():
        assert colour == pytest.approx(UPRIGHT[corner], abs=12), corner
    info = answered(page)["image"]
    assert [info["width"], info["height"]] == UPRIGHT["size"], "the gateway turns it too"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_in_every_exif_orientation_the_image_stands_upright_under_its_boxes(
    visit: Open, tmp_path: Path, format: str
) -> None:
    page = visit()
    for orientation in range(1, 9):
        file = tmp_path / f"{orientation}.{format.lower()}"
        file.write_bytes(stored(marked_corners(), orientation, format))
        choose(page, file)
        assert_upright(page)


def test_a_png_whose_exif_follows_its_pixels_stands_upright_too(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "late.png").write_bytes(behind_the_pixels(stored(marked_corners(), 6, "PNG")))
    page = visit()
    choose(page, tmp_path / "late.png")
    assert_upright(page)


def test_an_orientation_in_xmp_alone_turns_nothing(visit: Open, tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'  # noqa: E501 (a packet has no line breaks here)
    page = visit()
    for format in ("JPEG", "WEBP"):
        file = tmp_path / f"xmp.{format.lower()}"
        file.write_bytes(encoded(marked_corners(), format, xmp=xmp))
        choose(page, file)
        assert corners(page)["size"] == UPRIGHT["size"]


def test_what_is_transparent_is_white_as_the_gateway_makes_it(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "clear.png").write_bytes(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "PNG"))
    page = visit()
    choose(page, tmp_path / "clear.png")
    assert corners(page)["tl"] == [255, 255, 255]


@pytest.mark.parametrize(
    "limits", [{"max_pixels": 100_000}, {"max_side": 300}, {"max_body_bytes": 60_000}], ids=["pixels", "side", "bytes"]
)
def test_an_image_over_a_limit_is_scaled_down_and_its_boxes_are_in_pixels_of_the_original(
    visit: Open, tmp_path: Path, limits: dict[str, int]
) -> None:
    upright = scene(600, 900)
    (tmp_path / "phone.jpg").write_bytes(stored(upright, 6, quality=100))
    page = visit(**limits)
    choose(page, tmp_path / "phone.jpg")
    seen = answered(page)
    assert [seen["image"]["width"], seen["image"]["height"]] == [600, 900]
    box = seen["detections"][0]["box"]
    expected = [128 / 512 * 600, 64 / 512 * 900, 256 / 512 * 600, 448 / 512 * 900]
    assert list(box.values()) == pytest.approx(expected, abs=1)
    expect(page.locator("#scaled")).to_contain_text("Scaled down to")
    width, height = (int(side) for side in (page.locator("#scaled").inner_text().split("before")[0]).split()[3::2])
    assert width / height == pytest.approx(2 / 3, abs=0.01)
    assert width * height <= limits.get("max_pixels", width * height)
    assert max(width, height) <= limits.get("max_side", 900)


def test_a_photograph_of_50_megapixels_is_answered(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(encoded(Image.new("RGB", (8192, 6144), "grey"), quality=50))
    page = visit(max_pixels=40_000_000)
    choose(page, tmp_path / "large.jpg")
    expect(page.get_by_role("status")).to_have_text("1 person, 1 dog")
    assert answered(page)["image"]["width"] == 8192


def test_what_fits_is_sent_as_it_is(visit: Open, seed_endpoint: SeedEndpoint, shared_gateway: httpx2.Client) -> None:
    page = visit()
    choose(page, HOPPER)
    shared_gateway.post("/detect", files={"image": HOPPER.read_bytes()}).raise_for_status()
    from_the_page, from_here = seed_endpoint.requests
    assert from_the_page == from_here
    expect(page.locator("#scaled")).to_be_hidden()


def test_a_format_that_only_the_browser_knows_is_converted(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "moving.gif").write_bytes(encoded(scene(200, 100), "GIF"))
    page = visit()
    choose(page, tmp_path / "moving.gif")
    assert shown(page) == ["person 0.98", "dog 0.62"]


@pytest.mark.parametrize("kind", ["paste", "drop"])
def test_an_image_can_be_pasted_or_dropped(visit: Open, kind: str) -> None:
    event, field = {"paste": ("ClipboardEvent", "clipboardData"), "drop": ("DragEvent", "dataTransfer")}[kind]
    page = visit()
    held = transfer(f"{kind}.jpg", jpeg())
    page.evaluate(f"document.body.dispatchEvent(new {event}('{kind}', {{{field}: {held}, bubbles: true}}))")
    done(page)
    expect(page.locator("#facts")).to_contain_text(f"{kind}.jpg")
    assert shown(page) == ["person 0.98", "dog 0.62"]


def test_several_images_are_sent_one_after_the_other_and_kept(
    visit: Open, tmp_path: Path, seed_endpoint: SeedEndpoint
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for number, file in enumerate(files):
        file.write_bytes(jpeg(200 + 100 * number, 200))
    page = visit()
    choose(page, *files)
    expect(page.locator("#film button")).to_have_text(["2", "2", "2"])
    for number in (2, 0):
        page.get_by_role("button", name=f"{number}.jpg").click()
        assert answered(page)["image"]["width"] == 200 + 100 * number
    assert len(seed_endpoint.requests) == 3


def test_an_image_can_be_removed_and_all_can_be_cleared(visit: Open, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(jpeg(200, 200))
    page = visit()
    choose(page, *files)
    page.get_by_role("button", name="Remove").click()
    expect(page.locator("#film button")).to_have_count(2)
    expect(page.locator("#facts")).to_contain_text("1.jpg")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#film button")).to_have_count(0)
    expect(page.get_by_role("heading", name="Find the objects in an image")).to_be_visible()
    expect(page.locator("#panel")).to_be_hidden()


def test_it_opens_on_samples_that_show_what_the_model_finds(visit: Open) -> None:
    samples = visit().locator("#samples button:visible")
    expect(samples).to_have_text(["Astronaut", "Photographer"])
    page = visit(labels="cat,cup,person")
    expect(page.locator("#samples button:visible")).to_have_text(["Astronaut", "Photographer", "Cat", "Coffee"])
    expect(visit(labels="crane").locator("#samples button:visible")).to_have_count(4)
    page.bring_to_front()
    page.get_by_role("button", name="Coffee").click()
    done(page)
    expect(page.locator("#facts")).to_contain_text("coffee.jpg · 600 × 400")


def test_zoom_makes_the_image_larger_and_keeps_its_boxes_in_place(visit: Open) -> None:
    page = visit()
    choose(page, HOPPER)

    def place() -> list[float]:
        frame, box = area(page.locator("#image")), area(page.locator(".box[data-index='0'] .edge"))
        width = frame[2] - frame[0]
        return [width, (box[0] - frame[0]) / width, (box[2] - box[0]) / width]

    before = place()
    page.get_by_role("button", name="Zoom in").click()
    after = place()
    assert after[0] == pytest.approx(1.5 * before[0], rel=0.01)
    assert after[1:] == pytest.approx(before[1:], abs=0.01)
    page.get_by_role("button", name="fit to window").click()
    assert place() == pytest.approx(before)


def test_the_annotated_image_can_be_downloaded_in_its_own_size(
    visit: Open, tmp_path: Path, seed_endpoint: SeedEndpoint
) -> None:
    seed_endpoint.script = lambda _: reply(answer(PERSON, DOG))
    (tmp_path / "grey.png").write_bytes(encoded(Image.new("RGB", (1024, 1024), (90, 90, 90)), "PNG"))
    page = visit()
    choose(page, tmp_path / "grey.png")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "grey-detections.jpg"
    drawn = Image.open(download.value.path())
    assert drawn.size == (1024, 1024)
    assert pixel(drawn, (256, 600)) == pytest.approx((255, 212, 0), abs=40), "the person's edge"
    assert pixel(drawn, (600, 700)) == pytest.approx((53, 224, 255), abs=40), "the dog's edge"
    assert pixel(drawn, (40, 900)) == pytest.approx((90, 90, 90), abs=3)


def test_a_file_that_is_no_image_leaves_the_code_of_the_next_one_right(visit: Open, tmp_path: Path) -> None:
    (tmp_path / "notes.jpg").write_text("just words")
    page = visit()
    choose(page, tmp_path / "notes.jpg", HOPPER)
    page.get_by_role("button", name="grace_hopper.jpg").click()
    assert "grace_hopper.jpg" in code(page, "curl")
