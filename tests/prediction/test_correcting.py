"""Masks from a box and clicks together: as SAM2 takes them, in the order of the hints, with clear refusals."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gdinousam.errors import InputError
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.prediction.correcting import segment_shown
from gdinousam.records import Click, Hint, Image

BOX = (40.0, 30.0, 200.0, 180.0)


@pytest.fixture(scope="module")
def mask_head(small_mask_head: Path) -> Sam2MaskHead:
    head = load_mask_head(str(small_mask_head))
    assert isinstance(head, Sam2MaskHead)
    return head


@pytest.fixture(scope="module")
def image() -> Image:
    return np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)


def test_a_box_alone_gives_the_mask_of_the_pipeline(mask_head: Sam2MaskHead, image: Image) -> None:
    hint = Hint("cyst", BOX, score=0.4)
    (shown,), ((found,),) = segment_shown(mask_head, image, [hint]), mask_head.segment_hints([image], [[hint]])
    assert shown.mask_hw is not None and found.mask_hw is not None
    assert np.array_equal(shown.mask_hw, found.mask_hw)
    assert (shown.phrase, shown.score, shown.box_xyxy, shown.quality) == ("cyst", 0.4, BOX, found.quality)


def test_hints_of_all_kinds_are_answered_as_each_alone(mask_head: Sam2MaskHead, image: Image) -> None:
    clicks = (Click(100.5, 90.5), Click(20.5, 20.5, False))
    hints = [
        Hint("a", BOX),
        Hint("b", None, clicks[:1]),
        Hint("c", BOX, clicks),
        Hint("d", (0.0, 0.0, 60.0, 60.0)),
        Hint("e", BOX, clicks[:1]),
    ]
    together = segment_shown(mask_head, image, hints)
    assert [one.phrase for one in together] == ["a", "b", "c", "d", "e"]
    for hint, one in zip(hints, together, strict=True):
        (alone,) = segment_shown(mask_head, image, [hint])
        assert one.mask_hw is not None and alone.mask_hw is not None
        assert (one.mask_hw != alone.mask_hw).mean() < 1e-3  # sums of several prompts round otherwise
    masks = [one.mask_hw for one in together]
    assert not np.array_equal(masks[0], masks[2]) and not np.array_equal(masks[2], masks[4])


def test_clicks_are_what_the_models_own_call_takes(mask_head: Sam2MaskHead, image: Image) -> None:
    # on an image of the model's own size, whose pixel i is the square's
    (shown,) = segment_shown(mask_head, image, [Hint("cyst", BOX, (Click(100.5, 90.5), Click(20.5, 30.5, False)))])
    (levels,) = mask_head.encode([image])
    with torch.inference_mode():
        output = mask_head.model(
            image_embeddings=levels,
            input_points=torch.tensor([[[[100.0, 90.0], [20.0, 30.0]]]]),
            input_labels=torch.tensor([[[1, 0]]]),
            input_boxes=torch.tensor([[list(BOX)]]),
            multimask_output=False,
        )
        expected = mask_head.masks_of_size(output.pred_masks[0], (256, 256))[0].numpy()
    assert np.array_equal(shown.mask_hw, expected)
    assert shown.quality == pytest.approx(output.iou_scores.item())


def test_without_a_box_it_is_the_one_round_the_mask(mask_head: Sam2MaskHead, image: Image) -> None:
    (shown,) = segment_shown(mask_head, image, [Hint("cyst", None, (Click(100.5, 90.5),))])
    assert shown.mask_hw is not None
    rows, columns = np.nonzero(shown.mask_hw)
    if len(rows):
        assert shown.box_xyxy == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
    else:
        assert shown.box_xyxy == (100.5, 90.5, 100.5, 90.5)


def test_no_hint_costs_nothing(mask_head: Sam2MaskHead, image: Image) -> None:
    assert segment_shown(mask_head, image, []) == []


@pytest.mark.parametrize(
    ("hint", "message"),
    [
        (Hint("cyst"), r"hints\[0\]\[0\] \('cyst'\) has neither box nor click; show where the object lies"),
        (Hint("cyst", BOX, (Click(256.5, 3),)), r"has a click at \(256.5, 3\), outside the image of 256 x 256 pixels"),
        (Hint("cyst", None, (Click(-1, 3),)), "outside the image"),
        (Hint("cyst", None, (Click(float("nan"), 3),)), "has the click"),
    ],
)
def test_what_shows_nothing_is_refused(mask_head: Sam2MaskHead, image: Image, hint: Hint, message: str) -> None:
    with pytest.raises(InputError, match=message):
        segment_shown(mask_head, image, [hint])
