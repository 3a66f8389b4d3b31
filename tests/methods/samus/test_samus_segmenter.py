"""SAMUS as a compared method: every click gives a mask on its image, and images do not disturb each other."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mask_checks import agreement, count_calls
from samus_files import small_samus

from gdinousam.data.masks import tight_box_xywh
from gdinousam.errors import InputError
from gdinousam.methods.samus.config import SMALL
from gdinousam.methods.samus.segmenter import SamusSegmenter, square_of
from gdinousam.prediction.correcting import point_in_square
from gdinousam.records import Click, Detection, Hint, Image

FIRST = Hint("cyst", clicks=(Click(20, 30),))
SECOND = Hint("mass", clicks=(Click(60.5, 10), Click(5, 90, is_foreground=False)), score=0.25)
THIRD = Hint("node", (1.0, 2.0, 30.0, 40.0), (Click(90, 100),))


@pytest.fixture(scope="module")
def segmenter() -> SamusSegmenter:
    return SamusSegmenter(small_samus())


def silent_segmenter() -> SamusSegmenter:
    """One whose logits are all zero, so that nothing is more likely than not."""
    model = small_samus()
    last = model.sam.mask_decoder.output_hypernetworks_mlps[0].proj_out
    with torch.no_grad():
        for parameter in last.parameters():
            parameter.zero_()
    return SamusSegmenter(model)


def detections_agree(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """The agreement of the masks of detections, which all have one."""
    masks = [[one.mask_hw for one in row if one.mask_hw is not None] for row in (first, second)]
    assert len(masks[0]) == len(first)
    return agreement(*masks)


def test_it_needs_clicks(segmenter: SamusSegmenter) -> None:
    assert segmenter.needs == {"point"}


def test_every_hint_gets_a_mask_of_the_size_of_its_image(
    segmenter: SamusSegmenter, phantom_images: list[Image]
) -> None:
    found = segmenter.segment_hints(phantom_images, [[FIRST], [], [FIRST, SECOND, THIRD]])
    assert [[one.phrase for one in row] for row in found] == [["cyst"], [], ["cyst", "mass", "node"]]
    assert [one.score for one in found[2]] == [1, 0.25, 1]
    for image, row in zip(phantom_images, found, strict=True):
        for one in row:
            assert one.mask_hw is not None
            assert one.mask_hw.shape == image.shape[:2] and one.mask_hw.dtype == np.bool_
            assert 0.02 < one.mask_hw.mean() < 0.98  # worth comparing


def test_the_box_is_the_hints_or_the_one_round_the_mask(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    first, third = segmenter.segment_hints(phantom_images[:1], [[FIRST, THIRD]])[0]
    assert first.mask_hw is not None
    x, y, width, height = tight_box_xywh(first.mask_hw)
    assert first.box_xyxy == (x, y, x + width, y + height)
    assert third.box_xyxy == THIRD.box_xyxy


def test_an_empty_mask_is_no_detection_unless_the_hint_has_a_box(phantom_images: list[Image]) -> None:
    (found,) = silent_segmenter().segment_hints(phantom_images[:1], [[FIRST, THIRD]])
    (only,) = found
    assert only.phrase == "node" and only.box_xyxy == THIRD.box_xyxy
    assert only.mask_hw is not None and not only.mask_hw.any()


def test_a_batch_gives_the_masks_of_single_images(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    hints = [[FIRST, SECOND], [THIRD], [SECOND, THIRD]]
    batch = segmenter.segment_hints(phantom_images, hints)
    for image, row, found in zip(phantom_images, hints, batch, strict=True):
        assert detections_agree(found, segmenter.segment_hints([image], [row])[0]) > 0.999


def test_a_hint_does_not_change_the_mask_of_another(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    image = phantom_images[0]
    alone = {one: segmenter.segment_hints([image], [[one]])[0][0] for one in (FIRST, SECOND, THIRD)}
    for order in permutations(alone):
        together = segmenter.segment_hints([image], [order])[0]
        assert [found.phrase for found in together] == [one.phrase for one in order]
        assert detections_agree(together, [alone[one] for one in order]) > 0.999


def test_hints_of_one_image_differ(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    first, second, third = segmenter.segment_hints(phantom_images[:1], [[FIRST, SECOND, THIRD]])[0]
    assert detections_agree([first, second], [second, third]) < 0.999


@pytest.mark.parametrize(
    "other",
    [
        (Click(20, 30), Click(100, 90)),
        (Click(20, 30), Click(100, 90, is_foreground=False)),
        (Click(20, 30, is_foreground=False),),
    ],
)
def test_all_clicks_count_and_what_they_lie_on(
    segmenter: SamusSegmenter, phantom_images: list[Image], other: tuple[Click, ...]
) -> None:
    size_hw = phantom_images[0].shape[:2]
    with torch.inference_mode():
        encoded = segmenter.model.encode(square_of(phantom_images[0], SMALL.image_size)[None])
        first, second = segmenter.low_res_logits(encoded, [FIRST, Hint("cyst", clicks=other)], size_hw)
    assert (first - second).abs().max() > 1e-2


def test_without_hints_nothing_is_computed(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    with count_calls(segmenter.model.image_encoder) as encoder, count_calls(segmenter.model.sam) as decoder:
        assert segmenter.segment_hints(phantom_images, [[], [], []]) == [[], [], []]
        assert segmenter.segment_hints([], []) == []
    assert encoder == decoder == []


def test_images_are_encoded_once_and_equal_hints_decoded_together(
    segmenter: SamusSegmenter, phantom_images: list[Image]
) -> None:
    with count_calls(segmenter.model.image_encoder) as encoder, count_calls(segmenter.model.sam) as decoder:
        segmenter.segment_hints(phantom_images, [[FIRST, THIRD, FIRST], [], [FIRST, SECOND]])
    assert len(encoder) == 1
    assert len(decoder) == 3  # one for the first image, for the last one for each number of clicks


def test_a_hint_without_clicks_is_refused(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match=r"^the hint for 'node' has no click, which SAMUS needs; give one$"):
        segmenter.segment_hints(phantom_images[:1], [[FIRST, Hint("node", (0.0, 0.0, 5.0, 5.0))]])


def test_lists_of_different_lengths_are_refused(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match="2 images but hints of 1"):
        segmenter.segment_hints(phantom_images[:2], [[FIRST]])


def test_what_is_no_image_or_hint_is_refused(segmenter: SamusSegmenter, phantom_images: list[Image]) -> None:
    with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
        segmenter.segment_hints([phantom_images[0] * 1.0], [[FIRST]])
    with pytest.raises(InputError, match=r"hints\[0\]\[0\] is 'node'"):
        segmenter.segment_hints(phantom_images[:1], [["node"]])  # type: ignore[list-item]


def test_it_moves_to_a_device_and_returns_itself() -> None:
    segmenter = SamusSegmenter(small_samus())
    assert segmenter.to("meta") is segmenter
    assert segmenter.model.device == torch.device("meta")


@pytest.mark.parametrize("size_hw", [(40, 90), (64, 64), (200, 130)])
def test_probabilities_are_those_of_the_square_on_the_image(
    segmenter: SamusSegmenter, size_hw: tuple[int, int]
) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8)
    with torch.inference_mode():
        encoded = segmenter.model.encode(square_of(image, SMALL.image_size)[None])
        probabilities = segmenter.probabilities(encoded, [FIRST, THIRD], size_hw)
        square = segmenter.square_logits(segmenter.low_res_logits(encoded, [FIRST, THIRD], size_hw)).sigmoid()
    assert probabilities.shape == (2, *size_hw)
    assert probabilities.min() >= 0 and probabilities.max() <= 1
    if size_hw == (SMALL.image_size, SMALL.image_size):
        assert torch.equal(probabilities, square[:, 0])
    mask = segmenter.segment_hints([image], [[FIRST]])[0][0].mask_hw
    assert mask is not None and np.array_equal(mask, (probabilities[0] > 0.5).numpy())


def test_gray_images_stay_what_they_are_and_colours_become_their_luminance() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (64, 64), dtype=np.uint8)
    square = square_of(np.repeat(gray[:, :, None], 3, axis=2), 64)
    assert square.shape == (3, 64, 64) and square.dtype == torch.float32
    assert np.array_equal((square * 255).round().numpy().astype(np.uint8), np.stack([gray] * 3))
    colours = np.zeros((8, 8, 3), dtype=np.uint8)
    colours[:] = (200, 100, 50)
    assert torch.all(square_of(colours, 16) == torch.tensor(round(0.299 * 200 + 0.587 * 100 + 0.114 * 50) / 255))


def test_images_are_stretched_and_not_stretched_in_value() -> None:
    image = np.full((30, 90, 3), 90, dtype=np.uint8)
    image[:, 45:] = 120
    square = square_of(image, 64)
    assert square[:, :, :30].eq(torch.tensor(90 / 255)).all() and square[:, :, 34:].eq(torch.tensor(120 / 255)).all()


@given(side=st.sampled_from([64, 256]), width=st.integers(1, 5000), height=st.integers(1, 5000), data=st.data())
def test_the_centre_of_a_pixel_of_the_square_is_a_whole_number(
    side: int, width: int, height: int, data: st.DataObject
) -> None:
    x, y = (data.draw(st.integers(0, side - 1)) for _ in range(2))
    click = Click((x + 0.5) * width / side, (y + 0.5) * height / side)
    assert point_in_square(click, (height, width), side) == (x, y)


def test_clicks_are_scaled_along_each_axis() -> None:
    assert point_in_square(Click(0, 0), (100, 200), 64) == (-0.5, -0.5)
    assert point_in_square(Click(200, 100), (100, 200), 64) == (63.5, 63.5)
    assert point_in_square(Click(50, 75), (100, 200), 64) == (15.5, 47.5)
