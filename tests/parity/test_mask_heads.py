"""Our mask heads answer what the official code answers, at full size with the same weights."""

from itertools import islice

import pytest
import torch

from benchmarks.parity.mask_heads import (
    TOLERANCE,
    load_as_file,
    mask_head_rows,
    our_logits,
    square_with_a_box,
    wide_with_boxes,
)
from benchmarks.parity.official_sam import (
    FULL_SIZE,
    LOW_RES,
    MaskLogits,
    has_official_sam,
    official_sam,
    official_sam2,
    sam2_answers,
    sam_answers,
)
from benchmarks.parity.rows import largest_difference
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead

pytest.importorskip("sam2", reason="needs the official package sam2")
pytestmark = pytest.mark.slow


def assert_equal_logits(ours: MaskLogits, official: MaskLogits) -> None:
    """Within the tolerance, and of a size and spread at which that means something."""
    assert ours.keys() == official.keys() == {LOW_RES, FULL_SIZE}
    for name, logits in ours.items():
        assert 0.3 < logits.std() < 10
        assert logits.min() < -1 and logits.max() > 1
        assert largest_difference(logits, official[name]) <= TOLERANCE


def test_the_first_rows_of_the_table_are_sam2_1_tiny_and_pass() -> None:
    rows = list(islice(mask_head_rows(), 4))
    assert {row.model for row in rows} == {"SAM2.1 tiny"}
    assert len({(row.inputs, row.output) for row in rows}) == 4
    assert all(row.passes for row in rows)


def test_sam2_1_small_answers_boxes_as_the_official_predictor() -> None:
    official, prompted = official_sam2("sam2.1/sam2.1_hiera_s"), square_with_a_box()
    answer = sam2_answers(official)(prompted.image, prompted.boxes_xyxy)
    assert_equal_logits(our_logits(load_as_file(official), prompted), answer)


@torch.inference_mode()
@pytest.mark.parametrize(("scale", "stable"), [(1, False), (30, True)])
def test_sam2_answers_alike_whether_its_single_mask_is_stable_or_replaced(scale: int, stable: bool) -> None:
    # Larger logits of the single mask leave fewer pixels near its border, which the official code takes for stable.
    official, prompted = official_sam2("sam2/sam2_hiera_t"), wide_with_boxes()
    for parameter in official.sam_mask_decoder.output_hypernetworks_mlps[0].layers[-1].parameters():
        parameter.mul_(scale)
    head, size_hw = load_as_file(official), prompted.image.shape[:2]
    assert isinstance(head, Sam2MaskHead)
    (encoded,) = head.encode([prompted.image])
    low_res = head.low_res_logits(encoded, prompted.boxes_xyxy, size_hw)
    # not the low-resolution logits of the predictor, which it cuts off at 32
    answer = sam2_answers(official)(prompted.image, prompted.boxes_xyxy)[FULL_SIZE]
    assert largest_difference(head.logits_of_size(low_res, size_hw), answer) <= TOLERANCE

    head.model.mask_decoder.dynamic_multimask_via_stability = False
    single = head.low_res_logits(encoded, prompted.boxes_xyxy, size_hw)
    assert [torch.equal(*pair) for pair in zip(single, low_res, strict=True)] == [stable] * len(single)


@pytest.mark.skipif(not has_official_sam(), reason="needs the official package segment-anything")
def test_sam_answers_boxes_as_the_official_predictor() -> None:
    official, prompted = official_sam(), wide_with_boxes()
    answer = sam_answers(official)(prompted.image, prompted.boxes_xyxy)
    assert_equal_logits(our_logits(load_as_file(official), prompted), answer)
