"""Which anchor learns what, what is lost, and how fast."""

from typing import Any

import pytest
import torch

from anchors import anchors, decode, encode
from losses import multibox
from matching import match
from networks import SSD
from schedule import Schedule


def labels(*rows: Any) -> Any:
    """One image's labels, filled up with unused rows."""

    out = torch.zeros(1, 5, 6)
    out[0, : len(rows)] = torch.tensor(rows, dtype=torch.float32)
    return out


@pytest.mark.parametrize("size", [192, 300, 512])
def test_the_anchors_are_as_many_as_the_networks_rows_and_cover_the_whole_image(size: int) -> None:
    with torch.no_grad():
        logits, offsets, _ = SSD("ssd_300_mobilenet0.25_custom", 3).eval()(torch.zeros(1, 3, size, size))
    places = anchors(size, "cpu")
    assert logits.shape == (1, len(places), 4)
    assert offsets.shape == (1, len(places), 4)
    assert 0 < places[:, :2].min() < 0.05
    assert 0.95 < places[:, :2].max() < 1


def test_decoding_undoes_encoding() -> None:
    places = anchors(300, "cpu")
    low = torch.rand(len(places), 2, generator=torch.Generator().manual_seed(1)) / 2
    boxes = torch.cat([low, low + 0.2], 1)
    torch.testing.assert_close(decode(encode(boxes, places), places), boxes, atol=1e-5, rtol=1e-4)


def test_every_box_has_an_anchor_and_what_lies_far_from_all_is_background() -> None:
    places = anchors(300, "cpu")
    weight, matched = match(places, labels([0.1, 0.1, 0.2, 0.35, 0.7, 1], [0.6, 0.5, 0.64, 0.6, 1, 0]))
    taken = {float(row[5]) for row in matched[0][weight[0] > 0]}
    assert taken == {0.0, 1.0}
    far = (places[:, 0] > 0.9) & (places[:, 2:].max(1)[0] < 0.15)
    assert (weight[0][far] == 0).all()


def test_a_label_weighs_what_it_is_trusted() -> None:
    places, box = anchors(300, "cpu"), [0.1, 0.1, 0.2, 0.35]
    trusted, doubted = (match(places, labels([*box, trust, 0]))[0] for trust in (1, 0.7))
    torch.testing.assert_close(doubted, torch.where(trusted > 0, 0.7 * trusted, trusted))


def test_a_box_weighs_as_the_root_of_its_anchors_and_all_together_as_before() -> None:
    places = anchors(300, "cpu")
    weight, matched = match(places, labels([0.4, 0.2, 0.9, 0.95, 1, 0], [0.1, 0.1, 0.14, 0.2, 1, 1]))
    large, small = (weight[0][(matched[0][:, 5] == number) & (weight[0] > 0)] for number in (0, 1))
    assert len(large) > 4 * len(small)
    assert float(small[0] / large[0]) == pytest.approx((len(large) / len(small)) ** 0.5)
    assert float(large.sum() + small.sum()) == pytest.approx(len(large) + len(small))


def test_where_one_looks_away_nothing_is_background() -> None:
    places = anchors(300, "cpu")
    weight, _ = match(places, labels([0.5, 0, 1, 1, -1, 0]))
    inside = (places[:, 0] > 0.6) & (places[:, 0] < 0.9) & (places[:, 2:].max(1)[0] < 0.15)
    assert (weight[0][inside] == -1).all()
    assert (weight[0] <= 0).all()


def test_an_answer_that_is_right_loses_nearly_nothing_and_a_wrong_class_or_place_loses() -> None:
    places = anchors(192, "cpu")
    wanted = labels([0.2, 0.1, 0.4, 0.7, 1, 1])
    weight, matched = match(places, wanted)
    logits = torch.zeros(1, len(places), 3)
    logits[..., 0] = 20
    logits[0, weight[0] > 0] = torch.tensor([0.0, 0, 20])
    offsets = encode(matched[0][:, :4], places)[None]
    score, place = multibox(logits, offsets, places, wanted)
    assert score < 1e-4
    assert place < 1e-4
    assert multibox(logits.flip(-1), offsets, places, wanted)[0] > 10
    assert multibox(logits, offsets + 1, places, wanted)[1] > 1


def test_the_schedule_depends_on_the_images_seen_alone() -> None:
    plan = Schedule(images=3_000_000, batch=32, rate=2e-3, size=300, first_size=192)
    assert plan.learning_rate(0) < 1e-5
    assert plan.learning_rate(300 * 32) == pytest.approx(2e-3, rel=0.01)
    assert plan.learning_rate(3_000_000) == pytest.approx(2e-5)
    assert [plan.image_size(seen) for seen in (0, 1_799_999, 1_800_000)] == [192, 192, 300]
    assert [plan.aid_weight(seen) for seen in (0, 3_000_000)] == [4.0, pytest.approx(0.4)]
