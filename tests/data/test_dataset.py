"""Training examples: shapes, padding, negatives, and randomness that depends on seed, epoch and place alone."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils.data import DataLoader
from torchvision.ops import masks_to_boxes

from gdinousam.data.augmentation import AugmentationSettings, build_augmentation
from gdinousam.data.caption_phrases import AbsentPhrases, AbsentPhraseSettings, CaptionRules
from gdinousam.data.contract.reading import read_records
from gdinousam.data.dataset import Example, TrainingDataset, collate
from gdinousam.data.images import read_image
from gdinousam.data.sources.phantoms import LESION_KINDS
from gdinousam.errors import InputError
from gdinousam.phrase_book import read_phrase_book
from gdinousam.preprocessing import (
    ResizeSettings,
    boxes_cxcywh_norm,
    boxes_xyxy_pixels,
    build_resize,
    image_to_tensor,
    normalize_image,
)
from gdinousam.records import ImageRecord

SQUARE = ResizeSettings(size=64)
SHORTEST_EDGE = ResizeSettings(mode="shortest_edge", size=64, longest_edge=80)
AUGMENTATION = build_augmentation(
    AugmentationSettings(crop_probability=1.0, vertical_flip=0.5, resize_scale=(0.7, 1.4), erase_probability=1.0)
)


def asking(*phrases: str, **settings: float) -> CaptionRules:
    """Captions with absent phrases, drawn from some."""
    book = read_phrase_book()
    return CaptionRules(absent=AbsentPhrases(AbsentPhraseSettings.model_validate(settings), book, phrases))


CAPTIONS = replace(asking(*(kind.phrase for kind in LESION_KINDS), alone=0.3), rewording=0.5, book=read_phrase_book())


@pytest.fixture(scope="module")
def records(phantom_data: Path) -> list[ImageRecord]:
    return read_records(phantom_data / "train.CSV", phantom_data / "train", phantom_data / "train_mask")


@pytest.fixture(scope="module")
def with_empty_image(records: list[ImageRecord]) -> list[ImageRecord]:
    """The training records, the first without objects."""
    phrase = records[0].phrases[0]
    empty = replace(records[0], instances=(), absent_phrases=(phrase,), phrases=(phrase,))
    return [empty, *records[1:]]


def examples_of(records: Sequence[ImageRecord], resize: ResizeSettings = SQUARE, **options: Any) -> list[Example]:
    dataset = TrainingDataset(records, resize, **options)
    return [dataset[index] for index in range(len(dataset))]


def assert_equal(first: Example, second: Example) -> None:
    assert first.phrases == second.phrases
    assert torch.equal(first.pixel_values, second.pixel_values)
    assert torch.equal(first.boxes_cxcywh_norm, second.boxes_cxcywh_norm)
    assert torch.equal(first.phrase_indices, second.phrase_indices)
    assert (first.masks is None) == (second.masks is None)
    assert first.masks is None or torch.equal(first.masks, second.masks)


def test_an_example_holds_its_record(records: list[ImageRecord]) -> None:
    assert any(len(record.instances) == 2 for record in records)
    for record, example in zip(records, examples_of(records, with_masks=True), strict=True):
        num_instances = len(record.instances)
        assert example.pixel_values.shape == (3, 64, 64) and example.pixel_values.dtype == torch.float32
        expected = normalize_image(build_resize(SQUARE)(image_to_tensor(read_image(record.path))))
        assert torch.equal(example.pixel_values, expected)
        assert example.phrases == record.phrases
        assert [example.phrases[index] for index in example.phrase_indices] == [one.phrase for one in record.instances]
        assert example.masks.shape == (num_instances, 64, 64) and example.masks.dtype == torch.bool
        corners = boxes_xyxy_pixels(example.boxes_cxcywh_norm, (record.height, record.width))
        x, y, width, height = torch.tensor([one.box_xywh for one in record.instances], dtype=torch.float32).unbind(1)
        torch.testing.assert_close(corners, torch.stack([x, y, x + width, y + height], dim=1), atol=1e-3, rtol=0)


def test_examples_hold_plain_tensors(records: list[ImageRecord]) -> None:
    example = examples_of(records[:1], with_masks=True, augmentation=AUGMENTATION)[0]
    for tensor in (example.pixel_values, example.boxes_cxcywh_norm, example.phrase_indices, example.masks):
        assert type(tensor) is torch.Tensor


def test_masks_are_read_only_where_asked_for(records: list[ImageRecord]) -> None:
    assert all(example.masks is None for example in examples_of(records))
    (first, *others) = records
    without = replace(first, instances=tuple(replace(one, mask=None) for one in first.instances))
    assert len(examples_of([without, *others])) == len(records)
    with pytest.raises(InputError, match="has no mask"):
        examples_of([without, *others], with_masks=True)


@pytest.mark.parametrize("augmentation", [None, AUGMENTATION])
def test_an_image_without_objects_is_an_example(with_empty_image: list[ImageRecord], augmentation: Any) -> None:
    example = examples_of(with_empty_image[:1], with_masks=True, augmentation=augmentation)[0]
    assert example.boxes_cxcywh_norm.shape == (0, 4)
    assert example.phrase_indices.shape == (0,) and example.phrase_indices.dtype == torch.int64
    assert example.masks.shape == (0, 64, 64)
    assert example.phrases == with_empty_image[0].phrases


def test_equal_sizes_are_stacked_without_padding(records: list[ImageRecord]) -> None:
    examples = examples_of(records[:3])
    batch = collate(examples)
    assert batch.pixel_mask is None
    assert torch.equal(batch.pixel_values, torch.stack([example.pixel_values for example in examples]))
    assert batch.examples == tuple(examples)


def test_images_of_different_size_are_padded_at_right_and_bottom(records: list[ImageRecord]) -> None:
    examples = examples_of(records, SHORTEST_EDGE)
    assert len({example.pixel_values.shape for example in examples}) > 1
    batch = collate(examples)
    assert batch.pixel_mask is not None and batch.pixel_mask.dtype == torch.int64
    assert batch.pixel_values.shape[-2:] == batch.pixel_mask.shape[-2:]
    for row, example in enumerate(examples):
        _, height, width = example.pixel_values.shape
        assert min(height, width) == 64 and max(height, width) <= 80
        assert torch.equal(batch.pixel_values[row, :, :height, :width], example.pixel_values)
        assert batch.pixel_mask[row, :height, :width].all() and batch.pixel_mask[row].sum() == height * width
        assert not batch.pixel_values[row][:, batch.pixel_mask[row] == 0].any()


def test_a_batch_counts_its_boxes(with_empty_image: list[ImageRecord]) -> None:
    assert collate(examples_of(with_empty_image)).num_boxes == sum(len(one.instances) for one in with_empty_image)
    assert collate(examples_of(with_empty_image[:1])).num_boxes == 0


def test_absent_phrases_stand_beside_those_of_the_image_or_alone_without_its_objects(
    records: list[ImageRecord],
) -> None:
    everything = {kind.phrase for kind in LESION_KINDS}
    dataset = TrainingDataset(records, SQUARE, with_masks=True, captions=asking(*everything, beside=1, alone=0.3))
    num_alone = 0
    drawn = set()
    for dataset.epoch in range(4):
        for index, record in enumerate(records):
            example = dataset[index]
            assert len(set(example.phrases)) == len(example.phrases) and set(example.phrases) <= everything
            num_objects = len(example.boxes_cxcywh_norm)
            assert len(example.phrase_indices) == len(example.masks) == num_objects
            if set(example.phrases) & set(record.phrases):
                shown = example.phrases[:-1]
                assert shown == record.phrases or (len(record.phrases) > 1 and shown[0] in record.phrases)
                expected = [one for one in record.instances if one.phrase in shown]
                assert [example.phrases[place] for place in example.phrase_indices] == [one.phrase for one in expected]
                boxes = boxes_cxcywh_norm(
                    torch.tensor([one.box_xyxy for one in expected]), (record.height, record.width)
                )
                assert torch.allclose(example.boxes_cxcywh_norm, boxes, atol=1e-6)
            else:
                assert num_objects == 0 and example.masks.shape == (0, 64, 64)
                num_alone += 1
            drawn.add((index, example.phrases))
    assert 0 < num_alone < 2 * len(records)
    assert len(drawn) > 2 * len(records), "other epochs should show other phrases"


def test_a_caption_with_the_phrase_of_every_box_repeats_phrases(records: list[ImageRecord]) -> None:
    record = next(record for record in records if len(record.instances) == 2)
    twice = replace(record, instances=(record.instances[0],) * 2, phrases=("cyst",), absent_phrases=("stone",))
    twice = replace(twice, instances=tuple(replace(one, phrase="cyst") for one in twice.instances))
    twice = replace(twice, phrases=("cyst", "stone"))
    (example,) = examples_of([twice], captions=CaptionRules(phrase_per_box=True))
    assert example.phrases == ("cyst", "cyst", "stone") and example.phrase_indices.tolist() == [0, 1]
    (once,) = examples_of([twice])
    assert once.phrases == ("cyst", "stone") and once.phrase_indices.tolist() == [0, 0]


def test_of_a_phrase_with_slashes_one_part_or_all_of_it_is_asked(records: list[ImageRecord]) -> None:
    record = next(record for record in records if record.instances)
    slashed = replace(record, instances=(replace(record.instances[0], phrase="cyst/fluid"),), phrases=("cyst/fluid",))
    dataset = TrainingDataset([slashed], SQUARE, captions=CaptionRules(phrase_per_box=True))
    drawn = [dataset[0].phrases for dataset.epoch in range(40)]
    assert set(drawn) == {("cyst",), ("fluid",), ("cyst/fluid",)}
    assert drawn == [dataset[0].phrases for dataset.epoch in range(40)]  # of seed, epoch and place alone
    assert examples_of([slashed])[0].phrases == ("cyst/fluid",)


def test_flips_swap_the_sides_of_phrases_for_boxes_masks_and_negatives_alike(
    records: list[ImageRecord], tmp_path: Path
) -> None:
    record = next(one for one in records if len(one.instances) == 2)
    first, second = record.instances
    left = replace(
        record,
        instances=(replace(first, phrase="left kidney"), replace(second, phrase="liver")),
        phrases=("left kidney", "liver"),
    )
    right = replace(left, instances=(replace(first, phrase="right kidney"), second), phrases=("right kidney",))
    known = ("left kidney", "liver", "right kidney")
    settings = AugmentationSettings(horizontal_flip=1.0, crop_probability=0, resize_scale=(1, 1), pad_fraction=0)
    flip = build_augmentation(settings.model_copy(update={"erase_probability": 0.0}), known)
    right = replace(right, instances=(right.instances[0], replace(second, phrase="right kidney")))
    tree = {"phrases": {phrase: {"organ": phrase} for phrase in known}}
    (tmp_path / "book.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    absent = AbsentPhrases(AbsentPhraseSettings(beside=5, alone=0), read_phrase_book(tmp_path / "book.yaml"), known)
    options = {"with_masks": True, "captions": CaptionRules(absent=absent)}
    plain, flipped = (
        examples_of([left, right], SQUARE, augmentation=augmentation, **options) for augmentation in (None, flip)
    )
    assert plain[0].phrases[:2] == ("left kidney", "liver") and plain[0].phrases[2:] == ("right kidney",)
    assert flipped[0].phrases[:2] == ("right kidney", "liver") and flipped[0].phrases[2:] == ("left kidney",)
    assert flipped[1].phrases[:1] == ("left kidney",) and set(flipped[1].phrases[1:]) == {"liver", "right kidney"}
    for before, after in zip(plain, flipped, strict=True):
        assert torch.equal(after.phrase_indices, before.phrase_indices)
        assert torch.equal(after.masks, before.masks.flip(-1))
        mirrored = torch.tensor([1.0, 0, 0, 0]) + before.boxes_cxcywh_norm * torch.tensor([-1.0, 1, 1, 1])
        torch.testing.assert_close(after.boxes_cxcywh_norm, mirrored)


def test_randomness_depends_on_seed_epoch_and_place_alone(records: list[ImageRecord]) -> None:
    options = {"augmentation": AUGMENTATION, "with_masks": True, "captions": CAPTIONS}
    first, second = (TrainingDataset([records[0]] * 3, SQUARE, seed=5, **options) for _ in range(2))
    first.epoch = second.epoch = 2
    torch.manual_seed(0)
    expected = [first[index] for index in (0, 1, 2)]
    torch.manual_seed(1)
    for index in (2, 0, 1):
        assert_equal(second[index], expected[index])
    assert not torch.equal(expected[0].pixel_values, expected[1].pixel_values)
    second.epoch = 3
    assert not torch.equal(second[0].pixel_values, expected[0].pixel_values)
    other_seed = TrainingDataset([records[0]], SQUARE, seed=6, **options)
    other_seed.epoch = 2
    assert not torch.equal(other_seed[0].pixel_values, expected[0].pixel_values)


def test_drawing_an_example_leaves_the_global_generator_alone(records: list[ImageRecord]) -> None:
    dataset = TrainingDataset(records, SQUARE, AUGMENTATION, captions=CAPTIONS)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    _ = dataset[0]
    assert torch.equal(torch.rand(3), expected)


def test_the_number_of_workers_does_not_matter(records: list[ImageRecord]) -> None:
    dataset = TrainingDataset(records[:4], SQUARE, AUGMENTATION, with_masks=True, captions=CAPTIONS)
    dataset.epoch = 1
    loaded = [
        [
            example
            for batch in DataLoader(dataset, 2, num_workers=workers, collate_fn=collate)
            for example in batch.examples
        ]
        for workers in (0, 2)
    ]
    for alone, parallel in zip(*loaded, strict=True):
        assert_equal(alone, parallel)


@pytest.mark.parametrize("resize", [ResizeSettings(size=160), SHORTEST_EDGE], ids=lambda resize: resize.mode)
def test_augmented_boxes_stay_on_the_image_and_tight_round_their_masks(
    records: list[ImageRecord], resize: ResizeSettings
) -> None:
    dataset = TrainingDataset(records, resize, AUGMENTATION, with_masks=True)
    for dataset.epoch in range(3):
        for index, record in enumerate(records):
            example = dataset[index]
            height, width = example.pixel_values.shape[-2:]
            center, size = example.boxes_cxcywh_norm.split(2, dim=1)
            assert len(size) == len(record.instances) and (size > 0).all()
            assert (center - size / 2 >= -1e-6).all() and (center + size / 2 <= 1 + 1e-6).all()
            boxes_xyxy = boxes_xyxy_pixels(example.boxes_cxcywh_norm, (height, width))
            tight_xyxy = masks_to_boxes(example.masks) + torch.tensor([0.0, 0.0, 1.0, 1.0])
            # two resizes with nearest pixels move the edge of a mask by up to about a pixel each
            torch.testing.assert_close(boxes_xyxy, tight_xyxy, atol=2.5, rtol=0)


def test_a_mask_covers_its_object_and_no_other(records: list[ImageRecord]) -> None:
    record = next(record for record in records if len(record.instances) == 2)
    example = examples_of([record], ResizeSettings(size=160), with_masks=True)[0]
    assert not (example.masks[0] & example.masks[1]).any()
    areas = example.masks.flatten(1).float().mean(dim=1) / example.boxes_cxcywh_norm[:, 2:].prod(dim=1)
    assert np.all((areas > 0.3).numpy() & (areas < 1).numpy())
