"""Maps of phrases: read from the right places, held against boxes, added to masks."""

from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
import torch

from gdinousam.models.detector.box_choice import choose_boxes
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.operating_point import (
    OPERATING_POINT,
    OperatingPoint,
    Point,
    PredictionSettings,
    resolve_prediction,
    save_point,
)
from gdinousam.models.detector.phrase_maps import NO_MAPS, MapSettings, PhraseMaps, overlap_with_boxes, phrase_maps
from gdinousam.models.loading import load_mask_head
from gdinousam.models.mask_heads.random_sam import random_sam
from gdinousam.models.mask_heads.sam import OriginalFrame, SamMaskHead
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter, load_box_finder, load_segmenter
from gdinousam.prediction.clips.asking import asker_of
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Hint, Image

SIZES_HW = [(4, 6), (2, 3), (1, 2)]
NUM_POSITIONS = 24 + 6 + 2
ONE_TOKEN_EACH = torch.eye(2, dtype=torch.bool)


def test_a_map_is_the_mean_of_the_two_finest_levels() -> None:
    logits = torch.zeros(NUM_POSITIONS, 2)
    logits[:24, 0], logits[24:30, 0], logits[30:, 0] = 3.0, 1.0, 100.0
    logits[1 * 6 + 4, 1] = 8.0  # second row, fifth column of the finest level
    first, second = phrase_maps(logits, ONE_TOKEN_EACH, SIZES_HW)
    assert torch.equal(first, torch.full((4, 6), 2.0))
    assert second[1, 4] == 4 and second.sum() == 4


def test_a_phrase_is_the_mean_of_its_tokens_and_padding_says_nothing() -> None:
    logits = torch.randn(NUM_POSITIONS, 3, generator=torch.Generator().manual_seed(0))
    both = phrase_maps(logits, torch.tensor([[True, True, False]]), SIZES_HW)
    alone = phrase_maps(logits, torch.eye(3, dtype=torch.bool), SIZES_HW)
    assert torch.allclose(both[0], alone[:2].mean(dim=0), atol=1e-6)
    padded = torch.cat([logits, torch.full((NUM_POSITIONS, 2), -torch.inf)], dim=1)
    assert torch.allclose(phrase_maps(padded, torch.tensor([[True, True, False]]), SIZES_HW), both)


def ellipse_map(centre_x: float, centre_y: float, width: float, height: float) -> torch.Tensor:
    """(1, 28, 28) logits that are sure of an ellipse."""
    places = (torch.arange(28) + 0.5) / 28
    inside = ((places[None] - centre_x) / (width / 2)) ** 2 + ((places[:, None] - centre_y) / (height / 2)) ** 2 <= 1
    return torch.where(inside, 12.0, -12.0)[None]


def test_boxes_that_fit_the_map_agree_with_it() -> None:
    boxes = torch.tensor([[0.5, 0.4, 0.6, 0.4], [0.5, 0.4, 0.3, 0.2], [0.1, 0.9, 0.1, 0.1], [0.5, 0.5, 1.0, 1.0]])
    fits, small, beside, whole = overlap_with_boxes(ellipse_map(0.5, 0.4, 0.6, 0.4), boxes)[:, 0]
    assert fits > 0.9
    assert small == pytest.approx(0.25, abs=0.05)
    assert beside < 0.001
    assert whole == pytest.approx(0.24, abs=0.05)


def two_boxes(scores: tuple[float, float]) -> LayerPrediction:
    return LayerPrediction(
        torch.tensor(scores)[:, None].logit(), torch.tensor([[0.25, 0.5, 0.3, 0.3], [0.75, 0.5, 0.3, 0.3]])
    )


def maps_of(logits: torch.Tensor, prediction: LayerPrediction) -> PhraseMaps:
    return PhraseMaps(logits, overlap_with_boxes(logits, prediction.boxes_cxcywh_norm))


def test_the_smallest_box_agrees_with_a_map_that_points_at_it() -> None:
    side = 0.001
    boxes = torch.tensor([[0.503, 0.41, side, side], [0.1, 0.9, side, side]])
    hit, missed = overlap_with_boxes(ellipse_map(0.5, 0.4, 0.1, 0.1), boxes)[:, 0]
    assert hit > 0.05 and missed < 1e-3


def test_many_boxes_are_held_against_maps_as_few_are() -> None:
    boxes = torch.rand(230, 4, generator=torch.Generator().manual_seed(0))
    maps = torch.cat([ellipse_map(0.5, 0.4, 0.6, 0.4), ellipse_map(0.2, 0.7, 0.2, 0.3)])
    together = overlap_with_boxes(maps, boxes)
    assert together.shape == (230, 2)
    assert torch.allclose(together, torch.cat([overlap_with_boxes(maps, one[None]) for one in boxes]), atol=1e-6)


def test_maps_of_an_oblong_image_lie_where_boxes_do() -> None:
    logits = torch.full((1, 20, 40), -12.0)
    logits[0, 2:8, 24:36] = 12.0  # upper right
    boxes = torch.tensor([[0.75, 0.25, 0.3, 0.3], [0.25, 0.75, 0.3, 0.3]])
    right, wrong = overlap_with_boxes(logits, boxes)[:, 0]
    assert right > 0.6 and wrong < 1e-3


def test_the_map_decides_between_boxes() -> None:
    settings = PredictionSettings(box_threshold=0.0, further_threshold=0.0, maps=MapSettings(agreement=1.0)).filled()
    tokens, right = torch.ones(1, 1, dtype=torch.bool), maps_of(ellipse_map(0.75, 0.5, 0.3, 0.3), two_boxes((0.6, 0.5)))
    plain = choose_boxes(two_boxes((0.6, 0.5)), tokens, ("cyst",), (100, 100), settings)["cyst"]
    assert plain[0].box_xyxy[0] < 50 and plain[0].map_hw is None
    best, other = choose_boxes(two_boxes((0.6, 0.5)), tokens, ("cyst",), (100, 100), settings, right)["cyst"]
    assert best.box_xyxy[0] > 50 and 0.4 < best.score < 0.5 and other.score < 0.01
    without_say = settings.model_copy(update={"maps": MapSettings(agreement=0.0, mask_weight=2.0)})
    found = choose_boxes(two_boxes((0.6, 0.5)), tokens, ("cyst",), (100, 100), without_say, right)["cyst"]
    assert [one.score for one in found] == [one.score for one in plain]
    assert found[0].map_hw is not None and np.array_equal(found[0].map_hw, 2 * right.logits[0].numpy())


def test_a_map_is_added_to_the_mask(small_mask_head: Path, phantom_images: list[Image]) -> None:
    head = load_mask_head(str(small_mask_head))
    image, box = phantom_images[0], (20.0, 20.0, 90.0, 80.0)
    upper = np.where(np.arange(8)[:, None] < 4, 1e4, -1e4).repeat(8, axis=1).astype(np.float32)
    hints = [Hint("cyst", box), Hint("cyst", box, map_hw=upper), Hint("cyst", box, map_hw=0 * upper)]
    plain, certain, silent = (one.mask_hw for one in head.segment_hints([image], [hints])[0])
    assert plain is not None and certain is not None and silent is not None
    assert np.array_equal(plain, silent)
    height = image.shape[0]
    assert certain[: height // 3].all() and not certain[-height // 3 :].any()


def test_compared_mask_heads_draw_by_boxes_alone(phantom_images: list[Image]) -> None:
    head = SamMaskHead(random_sam(small=True), OriginalFrame).eval()
    box = (20.0, 20.0, 90.0, 80.0)
    hints = [Hint("cyst", box), Hint("cyst", box, map_hw=np.full((8, 8), 1e4, dtype=np.float32))]
    plain, mapped = head.segment_hints([phantom_images[0]], [hints])[0]
    assert plain.mask_hw is not None and mapped.mask_hw is not None
    assert np.array_equal(plain.mask_hw, mapped.mask_hw) and not plain.mask_hw.all()


def test_one_image_or_several_phrases_or_one_get_the_same_answer(
    small_detector: Path, small_mask_head: Path, phantom_images: list[Image]
) -> None:
    prediction = PredictionSettings(box_threshold=0.0, max_detections=2, further_threshold=0.0, maps=MapSettings())
    segmenter = load_segmenter(
        str(small_detector), str(small_mask_head), None, ResizeSettings(size=64), prediction, "cpu"
    )
    phrases = ["cyst", "bright lesion of the liver"]
    together = segmenter.segment(phantom_images[:2], [phrases, phrases])
    for image, found in zip(phantom_images, together, strict=False):
        alone = [one for phrase in phrases for one in segmenter.segment([image], [[phrase]])[0]]
        assert [one.phrase for one in alone] == [one.phrase for one in found]
        for one, other in zip(alone, found, strict=True):
            assert one.score == pytest.approx(other.score, rel=1e-3)
            assert one.mask_hw is not None and other.mask_hw is not None
            assert (one.mask_hw != other.mask_hw).mean() < 1e-2


def test_what_maps_say_comes_with_the_weights_unless_it_is_set(tmp_path: Path) -> None:
    point = Point(box_threshold=0.1, max_detections=1, further_threshold=0.5)
    theirs, own = MapSettings(agreement=1.0), MapSettings(mask_weight=0.0)
    save_point(tmp_path / OPERATING_POINT, OperatingPoint(overall=point, maps=theirs))
    assert resolve_prediction(PredictionSettings(), tmp_path).maps == theirs
    assert resolve_prediction(PredictionSettings(maps=own), tmp_path).maps == own
    assert resolve_prediction(PredictionSettings(maps=NO_MAPS), tmp_path).maps == NO_MAPS
    assert PredictionSettings().filled().maps == NO_MAPS


def test_what_is_set_leaves_the_maps_of_the_weights_in_place(small_detector: Path, tmp_path: Path) -> None:
    copytree(small_detector, tmp_path / "detector")
    point, maps = Point(box_threshold=0.5, max_detections=1, further_threshold=0.5), MapSettings(agreement=1.0)
    save_point(tmp_path / "detector" / OPERATING_POINT, OperatingPoint(overall=point, maps=maps))
    every = PredictionSettings(box_threshold=0.0, max_detections=1, further_threshold=0.0)
    finder = load_box_finder(str(tmp_path / "detector"), prediction=every, device="cpu")
    assert finder.prediction.maps == maps and finder.prediction.box_threshold == 0


@pytest.fixture(scope="module")
def segmenters(small_detector: Path, small_mask_head: Path) -> tuple[TextSegmenter[MaskHead], TextSegmenter[MaskHead]]:
    """Without and with maps."""
    every = PredictionSettings(box_threshold=0.0, max_detections=3, further_threshold=0.0)
    plain = load_segmenter(str(small_detector), str(small_mask_head), None, ResizeSettings(size=64), every, "cpu")
    strong = every.model_copy(update={"maps": MapSettings(agreement=1.0, mask_weight=20.0)})
    return plain, plain.under(strong.filled())


PHRASES = ["cyst", "bright lesion of the liver"]


@pytest.mark.parametrize("joint_caption", [False, True])
def test_maps_reach_scores_and_masks_of_their_own_phrase(
    segmenters: tuple[TextSegmenter[MaskHead], TextSegmenter[MaskHead]],
    phantom_images: list[Image],
    joint_caption: bool,
) -> None:
    plain, mapped = (
        one.under(one.box_finder.prediction.model_copy(update={"joint_caption": joint_caption})) for one in segmenters
    )
    image = phantom_images[0]
    maps = mapped.box_finder.maps_for_masks(image, PHRASES)
    assert list(maps) == PHRASES and plain.box_finder.maps_for_masks(image, PHRASES) == {}
    assert not np.array_equal(*maps.values())
    before, after = plain.segment([image], [PHRASES])[0], mapped.segment([image], [PHRASES])[0]
    assert {one.score for one in before}.isdisjoint({one.score for one in after})
    drawn = mapped.mask_head.segment_hints([image], [[Hint(one.phrase, one.box_xyxy) for one in after]])[0]
    mapped_by_hand = mapped.mask_head.segment_hints(
        [image], [[Hint(one.phrase, one.box_xyxy, map_hw=maps[one.phrase]) for one in after]]
    )[0]
    changed = 0
    for one, alone, by_hand in zip(after, drawn, mapped_by_hand, strict=True):
        assert one.mask_hw is not None and alone.mask_hw is not None and by_hand.mask_hw is not None
        assert (one.mask_hw != by_hand.mask_hw).mean() < 1e-2
        changed += int((one.mask_hw != alone.mask_hw).sum())
    assert changed > 100


def test_choosing_an_operating_point_and_clips_see_the_same_maps(
    segmenters: tuple[TextSegmenter[MaskHead], TextSegmenter[MaskHead]], phantom_images: list[Image]
) -> None:
    mapped, image = segmenters[1], phantom_images[0]
    found = mapped.segment([image], [PHRASES])[0]
    (under,) = mapped.box_finder.find_under([image], [PHRASES], [mapped.box_finder.prediction])[0]
    expected = [(one.phrase, one.box_xyxy, one.score) for one in found]
    assert [(one.phrase, one.box_xyxy, one.score) for of_one in under.values() for one in of_one] == expected
    asker = asker_of(mapped, PHRASES, 1.0, 0.0)
    asker.begin(image)
    in_clip = asker.with_masks([one.detection for one in asker.ask()])
    for one, other in zip(found, in_clip, strict=True):
        assert one.mask_hw is not None and other.mask_hw is not None and other.map_hw is None
        assert (one.mask_hw != other.mask_hw).mean() < 1e-2


def test_the_rule_of_the_public_scripts_knows_no_maps(
    segmenters: tuple[TextSegmenter[MaskHead], TextSegmenter[MaskHead]], phantom_images: list[Image]
) -> None:
    plain, mapped = (
        one.box_finder.find_and_choose(phantom_images[:1], [["cyst"]], [["cyst"]])[0].public_choices["cyst"]
        for one in segmenters
    )
    assert plain and [(one.box_xyxy, one.score) for one in plain] == [(one.box_xyxy, one.score) for one in mapped]
