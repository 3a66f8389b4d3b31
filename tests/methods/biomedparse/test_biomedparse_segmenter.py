"""BiomedParse as a method: what it is shown, what it answers, and that neither batch nor other phrases change it."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np
import PIL.Image
import pytest
import torch
from biomedparse_files import small_biomedparse
from mask_checks import agreement, count_calls

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.errors import InputError
from gdinousam.methods.biomedparse.config import SMALL
from gdinousam.methods.biomedparse.segmenter import BiomedParseSegmenter, square_of
from gdinousam.methods.sentences import PLACE, Sentences
from gdinousam.records import Detection, Image

PHRASES = ["cyst", "solid mass", "benign breast lesion"]


@pytest.fixture(scope="module")
def segmenter() -> BiomedParseSegmenter:
    return BiomedParseSegmenter(small_biomedparse())


def detections_agree(first: Sequence[Detection], second: Sequence[Detection]) -> float:
    """The agreement of the masks of detections, which all have one; phrases must be equal, scores nearly."""
    assert [one.phrase for one in first] == [one.phrase for one in second]
    assert [one.score for one in first] == pytest.approx([one.score for one in second], abs=1e-4)
    masks = [[one.mask_hw for one in row if one.mask_hw is not None] for row in (first, second)]
    assert len(masks[0]) == len(first)
    return agreement(*masks)


def test_a_phrase_is_answered_by_the_pixels_above_a_half(
    segmenter: BiomedParseSegmenter, phantom_images: list[Image]
) -> None:
    image = phantom_images[0]
    with torch.inference_mode():
        probabilities = segmenter.probabilities(image, PHRASES).numpy()
    assert probabilities.shape == (3, *image.shape[:2])
    found = segmenter.segment([image], [PHRASES])[0]
    assert [one.phrase for one in found] == PHRASES
    for one, probability in zip(found, probabilities, strict=True):
        assert one.mask_hw is not None and np.array_equal(one.mask_hw, probability > 0.5)
        assert 0 < one.mask_hw.mean() < 1
        assert one.box_xyxy == tight_box_xyxy(one.mask_hw)
        assert one.score == pytest.approx(probability[one.mask_hw].mean(), abs=1e-6)


def test_nothing_above_a_half_is_nothing_found(phantom_images: list[Image]) -> None:
    network = small_biomedparse()
    last = network.query_decoder.mask_embed[2]
    last.weight.zero_()
    last.bias.zero_()  # logits of 0: a probability of a half everywhere
    assert BiomedParseSegmenter(network).segment(phantom_images[:1], [PHRASES]) == [[]]


def test_a_batch_gives_the_answers_of_single_images(
    segmenter: BiomedParseSegmenter, phantom_images: list[Image]
) -> None:
    asked = [PHRASES, PHRASES[:1], PHRASES[1:]]
    batch = segmenter.segment(phantom_images, asked)
    for image, phrases, found in zip(phantom_images, asked, batch, strict=True):
        assert detections_agree(found, segmenter.segment([image], [phrases])[0]) > 0.999


def test_a_phrase_does_not_change_the_answer_to_another(
    segmenter: BiomedParseSegmenter, phantom_images: list[Image]
) -> None:
    image = phantom_images[0]
    alone = {phrase: segmenter.segment([image], [[phrase]])[0][0] for phrase in PHRASES}
    cyst, mass = (alone[phrase].mask_hw for phrase in PHRASES[:2])
    assert cyst is not None and mass is not None and (cyst != mass).mean() > 0.001
    for order in permutations(PHRASES):
        together = segmenter.segment([image], [order])[0]
        assert detections_agree(together, [alone[phrase] for phrase in order]) > 0.999


def test_more_than_eight_phrases_are_asked_in_several_passes(
    segmenter: BiomedParseSegmenter, phantom_images: list[Image]
) -> None:
    image, phrases = phantom_images[0], [f"cyst number {number}" for number in range(9)]
    with torch.inference_mode(), count_calls(segmenter.network.query_decoder) as calls:
        nine = segmenter.probabilities(image, phrases)
        assert len(calls) == 2
        assert torch.allclose(nine[8:], segmenter.probabilities(image, phrases[8:]), atol=1e-5)


def test_an_image_is_encoded_once_and_not_at_all_without_phrases(
    segmenter: BiomedParseSegmenter, phantom_images: list[Image]
) -> None:
    with count_calls(segmenter.network.backbone) as calls:
        assert segmenter.segment(phantom_images[:2], [[], []]) == [[], []]
        assert segmenter.segment([], []) == []
        assert not calls
        segmenter.segment(phantom_images[:2], [PHRASES, []])
    assert len(calls) == 1


def test_a_sentence_is_asked_in_place_of_its_phrase(phantom_images: list[Image]) -> None:
    network = small_biomedparse()
    sentence_of_cyst = "round dark cyst in breast ultrasound"
    plain = BiomedParseSegmenter(network)
    asking = BiomedParseSegmenter(network, Sentences(PLACE, {"cyst": sentence_of_cyst}))
    images = phantom_images[:1]
    (found,) = asking.segment(images, [["cyst"]])[0]
    assert found.phrase == "cyst"
    (sentence,), (phrase,) = (plain.segment(images, [[text]])[0] for text in (sentence_of_cyst, "cyst"))
    assert np.array_equal(found.mask_hw, sentence.mask_hw) and not np.array_equal(found.mask_hw, phrase.mask_hw)


@pytest.mark.parametrize("spelling", ["Solid mass", " solid  mass ", "solid\u00a0mass", "solid mass."])
def test_spellings_of_a_phrase_are_asked_alike(segmenter: BiomedParseSegmenter, spelling: str) -> None:
    assert segmenter.token_ids(spelling) == segmenter.token_ids("solid mass")
    asking = BiomedParseSegmenter(segmenter.network, Sentences(PLACE, {"solid mass": "a mass"}))
    assert asking.sentence(spelling) == "a mass"


def test_what_cannot_be_asked_is_refused(segmenter: BiomedParseSegmenter, phantom_images: list[Image]) -> None:
    image = phantom_images[0]
    with pytest.raises(InputError, match=r"^'(a )+a?' has \d+ tokens and BiomedParse reads 77; ask in fewer words$"):
        segmenter.segment([image], [["a " * 90]])
    with pytest.raises(InputError, match="has no letter or digit"):
        segmenter.segment([image], [["..."]])
    with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
        segmenter.segment([image * 1.0], [["cyst"]])
    with pytest.raises(InputError, match="phrases"):
        segmenter.segment([image], ["cyst"])  # type: ignore[list-item]


def test_it_moves_to_a_device_and_returns_itself() -> None:
    segmenter = BiomedParseSegmenter(small_biomedparse())
    assert segmenter.to("meta") is segmenter
    assert segmenter.network.device == torch.device("meta")


def test_images_are_stretched_and_normalised_as_published() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 200, 3), dtype=np.uint8)
    square = square_of(image, SMALL.image_size)
    assert square.shape == (3, 128, 128) and square.dtype == torch.float32
    resized = np.asarray(PIL.Image.fromarray(image).resize((128, 128), PIL.Image.Resampling.BICUBIC), dtype=float)
    expected = (resized - [123.675, 116.28, 103.53]) / [58.395, 57.12, 57.375]
    assert np.allclose(square.permute(1, 2, 0).numpy(), expected, atol=1e-5)
