"""Phantoms as training examples: new in every epoch, the same for the same seed; several sets joined."""

from __future__ import annotations

import pytest
import torch
from pydantic import ValidationError

from gdinousam.data.augmentation import AugmentationSettings, build_augmentation
from gdinousam.data.caption_phrases import AbsentPhrases, AbsentPhraseSettings, CaptionRules
from gdinousam.data.dataset import JoinedExamples
from gdinousam.data.sources.phantoms import phrases_of
from gdinousam.data.sources.phantoms.endless import EndlessPhantoms, PhantomData
from gdinousam.phrase_book import read_phrase_book
from gdinousam.preprocessing import ResizeSettings

RESIZE = ResizeSettings(size=64)


def phantoms(*families: str, num: int = 12, **options) -> EndlessPhantoms:
    return EndlessPhantoms(families, num, RESIZE, **options)


def test_an_example_depends_on_seed_epoch_and_place_alone() -> None:
    first, again, other = phantoms("liver", seed=3), phantoms("liver", num=99, seed=3), phantoms("liver", seed=4)
    assert torch.equal(first[5].pixel_values, again[5].pixel_values)
    assert not torch.equal(first[5].pixel_values, other[5].pixel_values)
    before = first[5].pixel_values
    first.epoch = 1
    assert not torch.equal(first[5].pixel_values, before)
    first.epoch = 0
    assert torch.equal(first[5].pixel_values, before)


def test_families_come_in_turn_and_boxes_belong_to_their_phrases() -> None:
    dataset = phantoms("kidney", "prostate", num=16)
    for index in range(len(dataset)):
        example = dataset[index]
        assert set(example.phrases) <= set(phrases_of("kidney" if index % 2 == 0 else "prostate"))
        assert len(example.boxes_cxcywh_norm) == len(example.phrase_indices)
        assert ((example.boxes_cxcywh_norm > 0) & (example.boxes_cxcywh_norm < 1)).all()
        assert example.masks is None


def test_some_phantoms_have_nothing_and_say_what_is_absent_but_not_for_a_mask_head() -> None:
    examples = [phantoms("thyroid", num=80)[index] for index in range(80)]
    empty = [example for example in examples if len(example.boxes_cxcywh_norm) == 0]
    assert 0 < len(empty) < 40 and all(example.phrases == ("thyroid nodule",) for example in empty)
    for index in range(80):
        example = phantoms("thyroid", num=80, with_masks=True)[index]
        assert example.masks is not None and len(example.masks) == len(example.boxes_cxcywh_norm) > 0


def test_absent_phrases_are_those_of_other_families_and_of_other_data() -> None:
    phrases = [*phrases_of("prostate"), *phrases_of("liver"), "fetal head"]
    absent = AbsentPhrases(
        AbsentPhraseSettings(beside=1, alone=0.3, kinds=("other organs",)), read_phrase_book(), phrases
    )
    dataset = phantoms("prostate", num=40, captions=CaptionRules(absent=absent))
    examples = [dataset[index] for index in range(40)]
    asked = {phrase for example in examples for phrase in example.phrases}
    assert asked == set(phrases)
    for example in examples:
        assert len(example.boxes_cxcywh_norm) == 0 or "prostate" in example.phrases


def test_flips_swap_words_in_the_phrases_of_phantoms_too() -> None:
    plain = phantoms("liver", num=12)
    words = sorted({phrase.split()[0] for phrase in phrases_of("liver")})
    settings = AugmentationSettings(horizontal_flip=1.0, side_words=(tuple(words),), crop_probability=0, pad_fraction=0)
    flipped = phantoms("liver", num=12, augmentation=build_augmentation(settings, phrases_of("liver")))
    other = dict(zip(words, words[::-1], strict=True))
    for index in range(12):
        of_plain = [phrase.split() for phrase in plain[index].phrases]
        assert flipped[index].phrases == tuple(" ".join([other[one], *rest]) for one, *rest in of_plain)
        assert torch.equal(flipped[index].phrase_indices, plain[index].phrase_indices)


def test_joined_sets_are_one_after_the_other_and_share_their_epoch() -> None:
    first, second = phantoms("liver", num=3, seed=1), phantoms("muscle", num=2, seed=2)
    joined = JoinedExamples([first, second])
    assert len(joined) == 5 and joined.epoch == 0
    joined.epoch = 7
    assert first.epoch == second.epoch == joined.epoch == 7
    for place, (part, index) in enumerate([(first, 0), (first, 1), (first, 2), (second, 0), (second, 1)]):
        assert torch.equal(joined[place].pixel_values, part[index].pixel_values)
    with pytest.raises(IndexError):
        joined[5]


def test_an_unknown_family_is_refused_with_those_that_there_are() -> None:
    with pytest.raises((ValidationError, ValueError), match="prostate"):
        PhantomData(families=("spleen",), num_train=3)
