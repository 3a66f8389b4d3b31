"""Augmentation as properties: objects stay in their boxes, none is lost, the same seed gives the same sample."""

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torchvision.ops import masks_to_boxes
from torchvision.transforms import v2

from gdinousam.data.augmentation import (
    Augmentation,
    AugmentationSettings,
    Window,
    build_augmentation,
    crop,
    phrases_never_flipped,
    random_crop,
    random_erase,
    random_grey,
    random_mirror,
    random_pad,
    random_resize,
    seeded,
    visible_fraction,
)
from gdinousam.data.samples import Sample, to_sample
from gdinousam.data.sides import SIDE_WORDS, Sides

SEEDS = range(20)
BOXES_XYWH = [(12, 30, 40, 21), (70, 8, 25, 60)]
STRONG = AugmentationSettings(
    horizontal_flip=0.5,
    vertical_flip=0.5,
    crop_probability=1.0,
    crop_min_scale=0.5,
    resize_scale=(0.5, 1.6),
    pad_fraction=0.3,
    erase_probability=1.0,
    erase_area=(0.05, 0.3),
    min_visible=0.5,
)
OFF = AugmentationSettings(
    horizontal_flip=0.0, crop_probability=0.0, resize_scale=(1.0, 1.0), pad_fraction=0.0, erase_probability=0.0
)
MIRROR = partial(random_mirror, probability=1.0, sides=Sides(SIDE_WORDS), known_phrases=())
STEPS = {
    "horizontal flip": MIRROR,
    "vertical flip": v2.RandomVerticalFlip(1.0),
    "crop": partial(random_crop, probability=1.0, min_scale=0.5, min_visible=0.4),
    "smaller": partial(random_resize, scale_range=(0.4, 0.9), min_visible=0.4),
    "larger": partial(random_resize, scale_range=(1.1, 1.8), min_visible=0.4),
    "pad": partial(random_pad, max_fraction=0.5),
    "erase": partial(random_erase, probability=1.0, area_range=(0.02, 0.2), min_visible=0.4),
    "all without erasing": build_augmentation(STRONG.model_copy(update={"erase_probability": 0.0})),
    "all": build_augmentation(STRONG),
}


def painted(with_masks: bool = True) -> Sample:
    """A black image with two rectangles: the first bright in red, the second in green."""
    image = np.zeros((97, 113, 3), dtype=np.uint8)
    masks = []
    for channel, (x, y, width, height) in enumerate(BOXES_XYWH):
        image[y : y + height, x : x + width, channel] = 255
        masks.append(image[..., channel] > 0)
    return to_sample(image, BOXES_XYWH, masks if with_masks else None)


def plain(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.as_subclass(torch.Tensor)


def assert_same(first: Sample, second: Sample) -> None:
    assert first.phrases == second.phrases
    for part, other in zip(first[:-1], second[:-1], strict=True):
        assert (part is None) == (other is None)
        assert part is None or torch.equal(plain(part), plain(other))


@pytest.mark.parametrize("with_masks", [True, False])
@pytest.mark.parametrize("name", STEPS)
def test_every_object_stays_inside_and_fills_its_box(name: str, with_masks: bool) -> None:
    for seed in SEEDS:
        sample = seeded(STEPS[name], seed)(painted(with_masks))
        height, width = sample.image.shape[-2:]
        assert sample.boxes_xyxy.shape == (2, 4) and sample.boxes_xyxy.canvas_size == (height, width)
        for channel, (x0, y0, x1, y1) in enumerate(sample.boxes_xyxy.tolist()):
            assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
            bright = plain(sample.image)[channel] > 127
            inner = bright[round(y0) + 1 : round(y1) - 1, round(x0) + 1 : round(x1) - 1]
            outside = bright.clone()
            outside[max(round(y0) - 1, 0) : round(y1) + 1, max(round(x0) - 1, 0) : round(x1) + 1] = False
            assert not outside.any()
            if name in ("erase", "all"):
                assert inner.float().mean() > 0.3
            else:
                assert inner.all()


@pytest.mark.parametrize("name", STEPS)
def test_masks_and_boxes_agree(name: str) -> None:
    for seed in SEEDS:
        sample = seeded(STEPS[name], seed)(painted())
        tight_xyxy = masks_to_boxes(plain(sample.masks_nhw)) + torch.tensor([0, 0, 1, 1])
        torch.testing.assert_close(plain(sample.boxes_xyxy), tight_xyxy, atol=1.0, rtol=0)


@pytest.mark.parametrize("flip", [MIRROR, v2.RandomVerticalFlip(1.0)])
def test_flipping_twice_changes_nothing(flip: Augmentation) -> None:
    once = flip(painted())
    assert not torch.equal(plain(once.boxes_xyxy), plain(painted().boxes_xyxy))
    assert_same(flip(once), painted())


def flips(**settings: Any) -> Augmentation:
    """Nothing but a certain horizontal flip, of data with the phrases of both kidneys."""
    changed = OFF.model_copy(update={"horizontal_flip": 1.0, **settings})
    return build_augmentation(changed, ["left kidney", "right kidney", "left atrium", "liver"])


@pytest.mark.parametrize(
    ("phrases", "mirrored"),
    [
        (("left kidney", "liver"), ("right kidney", "liver")),
        (("right kidney", "left kidney"), ("left kidney", "right kidney")),
        (("liver",), ("liver",)),
        ((), ()),
    ],
)
def test_a_horizontal_flip_swaps_the_sides_that_phrases_name(
    phrases: tuple[str, ...], mirrored: tuple[str, ...]
) -> None:
    given = painted()._replace(phrases=phrases)
    flipped = flips()(given)
    assert flipped.phrases == mirrored
    assert torch.equal(plain(flipped.image), plain(given.image).flip(-1))
    assert torch.equal(plain(flipped.masks_nhw), plain(given.masks_nhw).flip(-1))
    x0, _, x1, _ = plain(given.boxes_xyxy).unbind(1)
    assert torch.equal(plain(flipped.boxes_xyxy)[:, [0, 2]], torch.stack([113 - x1, 113 - x0], dim=1))


@pytest.mark.parametrize(
    ("phrases", "settings"),
    [
        (("left atrium",), {}),  # no right atrium in the data
        (("left kidney", "left atrium"), {}),
        (("left kidney",), {"swap_sides": False}),
    ],
)
def test_an_image_whose_side_cannot_be_swapped_is_not_flipped(
    phrases: tuple[str, ...], settings: dict[str, Any]
) -> None:
    given = painted()._replace(phrases=phrases)
    assert_same(flips(**settings)(given), given)


def test_without_words_for_sides_phrases_stay_and_images_are_flipped() -> None:
    given = painted()._replace(phrases=("left atrium",))
    flipped = flips(side_words=())(given)
    assert flipped.phrases == given.phrases
    assert torch.equal(plain(flipped.image), plain(given.image).flip(-1))


def test_a_vertical_flip_and_all_else_leave_phrases_alone() -> None:
    given = painted()._replace(phrases=("left kidney",))
    augment = build_augmentation(STRONG.model_copy(update={"horizontal_flip": 0.0}), ["left kidney", "right kidney"])
    for seed in SEEDS:
        assert seeded(augment, seed)(given).phrases == given.phrases


def test_what_comes_after_a_flip_does_not_depend_on_whether_phrases_forbid_it() -> None:
    augment = build_augmentation(STRONG.model_copy(update={"horizontal_flip": 1.0, "erase_probability": 0.0}))
    free = to_sample(np.full((31, 44, 3), 9, np.uint8), [])
    forbidden = free._replace(phrases=("left atrium",))
    for seed in SEEDS:
        assert torch.equal(seeded(augment, seed)(free).image, seeded(augment, seed)(forbidden).image)


def test_phrases_whose_images_are_never_flipped_are_known_before() -> None:
    known = ["left kidney", "right kidney", "left atrium", "liver"]
    assert phrases_never_flipped(AugmentationSettings(), known) == ["left atrium"]
    assert phrases_never_flipped(AugmentationSettings(swap_sides=False), known) == known[:3]
    assert phrases_never_flipped(AugmentationSettings(side_words=()), known) == []


def test_same_seed_same_sample_and_other_seeds_differ() -> None:
    augment = build_augmentation(STRONG)
    assert_same(seeded(augment, 3)(painted()), seeded(augment, 3)(painted()))
    images = [plain(seeded(augment, seed)(painted()).image) for seed in range(5)]
    assert len({(image.shape, image.numpy().tobytes()) for image in images}) == 5


def test_seeded_leaves_torchs_generator_alone_and_ignores_it() -> None:
    augment = seeded(build_augmentation(STRONG), 3)
    torch.manual_seed(0)
    first = augment(painted())
    after = torch.rand(4)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(4), after)
    assert_same(augment(painted()), first)


def test_everything_off_changes_nothing_and_the_given_sample_is_never_changed() -> None:
    given = painted()
    assert_same(build_augmentation(OFF)(given), painted())
    for seed in range(5):
        seeded(build_augmentation(STRONG), seed)(given)
    assert_same(given, painted())


def test_an_image_without_objects_can_be_augmented() -> None:
    for masks in (None, []):
        empty = to_sample(np.full((31, 44, 3), 9, np.uint8), [], masks)
        for seed in range(10):
            assert seeded(build_augmentation(STRONG), seed)(empty).boxes_xyxy.shape == (0, 4)


def test_each_step_really_acts() -> None:
    given = painted()
    for name, step in STEPS.items():
        changed = [not torch.equal(plain(seeded(step, seed)(given).image), plain(given.image)) for seed in SEEDS]
        assert np.mean(changed) > 0.5, name


def test_borders_stay_black_when_the_grey_values_change() -> None:
    image = np.random.default_rng(0).integers(100, 255, (40, 50, 3), dtype=np.uint8)
    settings = AugmentationSettings(contrast=0.5, pad_fraction=0.5, crop_probability=0.0, resize_scale=(0.5, 0.6))
    for seed in SEEDS:
        augmented = seeded(build_augmentation(settings), seed)(to_sample(image, []))
        assert augmented.image.min() == 0


def test_resizing_content_keeps_the_canvas_and_padding_enlarges_it() -> None:
    for seed in SEEDS:
        assert seeded(STEPS["smaller"], seed)(painted()).image.shape == painted().image.shape
        assert seeded(STEPS["larger"], seed)(painted()).image.shape == painted().image.shape
        padded = seeded(STEPS["pad"], seed)(painted())
        assert (plain(padded.image) > 0).sum() == (plain(painted().image) > 0).sum()
        assert 97 <= padded.image.shape[1] <= 2 * 97 and 113 <= padded.image.shape[2] <= 2 * 113


def test_a_crop_clips_boxes_and_tightens_them_round_what_is_left_of_the_mask() -> None:
    triangle = np.triu(np.ones((20, 20), bool))  # row r covers the columns from r on
    mask = np.zeros((40, 40), bool)
    mask[10:30, 10:30] = triangle
    with_mask = crop(to_sample(np.zeros((40, 40, 3), np.uint8), [(10, 10, 20, 20)], [mask]), Window(0, 0, 40, 20))
    without_mask = crop(to_sample(np.zeros((40, 40, 3), np.uint8), [(10, 10, 20, 20)]), Window(0, 0, 40, 20))
    assert with_mask.boxes_xyxy.tolist() == [[10, 10, 20, 20]]
    assert without_mask.boxes_xyxy.tolist() == [[10, 10, 20, 30]]


def test_a_box_that_a_crop_leaves_whole_stays_as_loose_as_it_was() -> None:
    mask = np.zeros((40, 40), bool)
    mask[15:20, 15:20] = True
    sample = crop(to_sample(np.zeros((40, 40, 3), np.uint8), [(10, 10, 20, 20)], [mask]), Window(5, 6, 30, 30))
    assert sample.boxes_xyxy.tolist() == [[4, 5, 24, 25]]


def test_visible_fraction_by_hand() -> None:
    whole, half, none = Window(0, 0, 97, 113), Window(30, 12, 21, 20), Window(0, 0, 5, 5)
    for sample in (painted(), painted(with_masks=False)):
        assert visible_fraction(sample, whole).tolist() == [1, 1]
        assert visible_fraction(sample, half).tolist() == [0.5, 0]
        assert visible_fraction(sample, none).tolist() == [0, 0]


def test_a_mask_that_vanished_counts_by_its_box() -> None:
    sample = painted()
    sample.masks_nhw[0] = False
    assert visible_fraction(sample, Window(30, 12, 21, 20)).tolist() == [0.5, 0]
    assert crop(sample, Window(30, 0, 60, 113)).boxes_xyxy[0].tolist() == [12, 0, 52, 21]


def test_crops_and_erasings_leave_the_asked_fraction_of_every_object() -> None:
    for seed in SEEDS:
        cropped = seeded(partial(random_crop, probability=1.0, min_scale=0.3, min_visible=0.8), seed)(painted())
        erased = seeded(partial(random_erase, probability=1.0, area_range=(0.1, 0.4), min_visible=0.8), seed)(painted())
        for channel, (_, _, width, height) in enumerate(BOXES_XYWH):
            assert (cropped.image[channel] == 255).sum() >= 0.8 * width * height
            assert (erased.image[channel] == 255).sum() >= 0.8 * width * height


def test_what_would_hide_an_object_is_left_out() -> None:
    everywhere = to_sample(np.full((50, 60, 3), 200, np.uint8), [(0, 0, 60, 50)])
    erase = partial(random_erase, probability=1.0, area_range=(0.3, 0.4), min_visible=0.9)
    enlarge = partial(random_resize, scale_range=(2.0, 2.0), min_visible=0.9)
    for seed in range(5):
        assert_same(seeded(erase, seed)(everywhere), everywhere)
        assert_same(seeded(enlarge, seed)(everywhere), everywhere)


def test_grey_changes_stay_within_the_asked_factors_and_leave_geometry_alone() -> None:
    sample = to_sample(np.full((6, 6, 3), 100, np.uint8), [(1, 1, 2, 2)])
    ramp = to_sample(np.repeat(np.arange(36, dtype=np.uint8).reshape(6, 6, 1) * 7, 3, axis=2), [(1, 1, 2, 2)])
    values = []
    for seed in SEEDS:
        changed = seeded(partial(random_grey, brightness=0.3, contrast=0.0, gamma=0.0), seed)(sample)
        assert torch.equal(plain(changed.boxes_xyxy), plain(sample.boxes_xyxy))
        values.append(int(changed.image[0, 0, 0]))
    assert 69 <= min(values) < 90 and 110 < max(values) <= 130
    for amounts in ({"contrast": 0.5}, {"gamma": 0.5}):
        step = partial(random_grey, **({"brightness": 0.0, "contrast": 0.0, "gamma": 0.0} | amounts))
        spreads = [float(plain(seeded(step, seed)(ramp).image).float().std()) for seed in SEEDS]
        middles = [int(seeded(step, seed)(ramp).image[0, 3, 0]) for seed in SEEDS]
        changed = spreads if "contrast" in amounts else middles
        assert max(changed) > 1.2 * min(changed)


def test_very_small_images_survive() -> None:
    for seed in SEEDS:
        tiny = to_sample(np.full((2, 3, 3), 200, np.uint8), [(1, 0, 1, 1)], [np.eye(2, 3, 1, dtype=bool)])
        x0, y0, x1, y1 = seeded(build_augmentation(STRONG), seed)(tiny).boxes_xyxy[0].tolist()
        assert x0 < x1 and y0 < y1


@pytest.mark.parametrize(
    "settings",
    [
        {"horizontal_flip": 1.5},
        {"side_words": [("left", "right"), ("Left", "droite")]},
        {"side_words": [("left", " ")]},
        {"side_words": [("left",)]},
        {"resize_scale": (1.2, 0.8)},
        {"erase_area": (0.0, 0.1)},
        {"min_visible": 0.0},
        {"brightness": 1.0},
        {"rotation": 10},
    ],
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ValidationError, match=next(iter(settings))):
        AugmentationSettings(**settings)


def test_every_setting_is_described() -> None:
    assert all(field.description for field in AugmentationSettings.model_fields.values())


def test_a_box_shrinks_to_what_is_left_where_a_speck_of_its_object_vanishes() -> None:
    mask = np.zeros((100, 100), bool)
    mask[40:60, 40:60] = True
    mask[10, 10] = True  # a speck that few shrunken images keep
    sample = to_sample(np.zeros((100, 100, 3), np.uint8), [(10, 10, 50, 50)], [mask])
    seen = set()
    for seed in range(40):
        moved = seeded(partial(random_resize, scale_range=(0.4, 0.6), min_visible=0.7), seed)(sample)
        tight = masks_to_boxes(moved.masks_nhw.as_subclass(torch.Tensor))[0] + torch.tensor([0, 0, 1, 1])
        assert (moved.boxes_xyxy[0] - tight).abs().max() <= 1.5
        seen.add(bool(tight[2] - tight[0] < 20))
    assert seen == {True, False}  # with the speck and without it


def test_a_loose_box_stays_loose_when_it_is_resized() -> None:
    mask = np.zeros((100, 100), bool)
    mask[40:60, 40:60] = True
    sample = to_sample(np.zeros((100, 100, 3), np.uint8), [(20, 20, 60, 60)], [mask])
    moved = seeded(partial(random_resize, scale_range=(0.5, 0.5), min_visible=0.7), 0)(sample)
    assert (moved.boxes_xyxy[0, 2:] - moved.boxes_xyxy[0, :2]).tolist() == pytest.approx([30, 30])
