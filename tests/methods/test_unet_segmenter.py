"""The U-Net as a method: its answers, its folder, and what is said of questions and folders that do not fit."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from gdinousam.errors import InputError
from gdinousam.methods.unet.network import UNet, UNetDescription
from gdinousam.methods.unet.segmenter import UNetSegmenter
from gdinousam.methods.unet.weights import DESCRIPTION, WEIGHTS, load_unet, save_unet
from gdinousam.records import Detection, Image, ImageRecord
from gdinousam.runtime import torch_seed

CHANNELS, PHRASES = (4, 8, 8), ("cyst", "benign lesion", "fetal head", "kidney")
EMPTY = "kidney"  # a phrase whose channel says no everywhere
DESCRIPTION_OF_SMALL = UNetDescription(name="unet", size=32, channels=CHANNELS, phrases=PHRASES)


def small_network() -> UNet:
    """A random network whose channels all say yes somewhere and no elsewhere, but for that of ``EMPTY``."""
    with torch_seed(4):
        network = UNet(CHANNELS, len(PHRASES))
    with torch.no_grad():
        network.head[1].bias.zero_()
        network.head[1].bias[PHRASES.index(EMPTY)] = -100.0
    return network.eval()


@pytest.fixture(scope="module")
def segmenter() -> UNetSegmenter:
    return UNetSegmenter(small_network(), DESCRIPTION_OF_SMALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_unet(small_network(), DESCRIPTION_OF_SMALL, tmp_path)
    return tmp_path


def assert_equal(first: Sequence[Sequence[Detection]], second: Sequence[Sequence[Detection]]) -> None:
    """Same phrases, masks and boxes; scores up to the rounding of float32."""
    assert [[one.phrase for one in row] for row in first] == [[one.phrase for one in row] for row in second]
    for row, other_row in zip(first, second, strict=True):
        for one, other in zip(row, other_row, strict=True):
            assert np.array_equal(one.mask_hw, other.mask_hw)
            assert one.box_xyxy == other.box_xyxy
            assert one.score == pytest.approx(other.score, abs=1e-5)


def test_every_phrase_gets_one_detection_of_the_size_of_the_image(
    segmenter: UNetSegmenter, phantom_images: list[Image]
) -> None:
    asked = [PHRASES[:3]] * len(phantom_images)
    for image, found in zip(phantom_images, segmenter.segment(phantom_images, asked), strict=True):
        assert [one.phrase for one in found] == list(PHRASES[:3])
        for one in found:
            assert one.mask_hw is not None and one.mask_hw.dtype == bool
            assert one.mask_hw.shape == image.shape[:2]
            assert 0 < one.mask_hw.mean() < 1
            assert 0.5 < one.score <= 1
    assert segmenter.needs == {"text"}


def test_masks_are_where_the_resized_probability_is_above_a_half(segmenter: UNetSegmenter) -> None:
    """On an image of the network's own size nothing is resized, so the logits alone say where."""
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixel_values = ((torch.from_numpy(image) / 255 - mean) / std).permute(2, 0, 1)
    with torch.no_grad():
        logits = segmenter.network(pixel_values[None])[0]
    (found,) = segmenter.segment([image], [PHRASES[:3]])
    for channel, one in enumerate(found):
        inside = logits[channel] > 0
        assert one.mask_hw is not None and np.array_equal(one.mask_hw, inside.numpy())
        assert one.score == pytest.approx(float(logits[channel].sigmoid()[inside].mean()), abs=1e-5)


def test_a_batch_gives_the_answers_of_single_images(segmenter: UNetSegmenter, phantom_images: list[Image]) -> None:
    asked = [PHRASES, PHRASES[1:2], ()]
    single = [segmenter.segment([image], [row])[0] for image, row in zip(phantom_images, asked, strict=True)]
    assert_equal(segmenter.segment(phantom_images, asked), single)
    assert single[2] == []


def test_answers_come_in_the_order_of_the_questions(segmenter: UNetSegmenter, phantom_images: list[Image]) -> None:
    (forward,) = segmenter.segment(phantom_images[:1], [PHRASES[:3]])
    (backward,) = segmenter.segment(phantom_images[:1], [PHRASES[2::-1]])
    assert_equal([forward], [backward[::-1]])


def test_a_phrase_that_is_not_found_has_no_entry(segmenter: UNetSegmenter, phantom_images: list[Image]) -> None:
    found = segmenter.segment(phantom_images[:2], [[EMPTY], [EMPTY, "cyst"]])
    assert [[one.phrase for one in row] for row in found] == [[], ["cyst"]]


def test_no_images_give_no_answers(segmenter: UNetSegmenter) -> None:
    assert segmenter.segment([], []) == []


@pytest.mark.parametrize("phrase", ["malignant lesion", "cysts", ""])
def test_a_phrase_it_was_not_trained_on_is_named_with_those_it_knows(
    segmenter: UNetSegmenter, phantom_images: list[Image], phrase: str
) -> None:
    expected = f"this U-Net was not trained on {phrase!r}; it knows: cyst, benign lesion, fetal head, kidney"
    with pytest.raises(InputError) as caught:
        segmenter.segment(phantom_images[:1], [["cyst", phrase]])
    assert str(caught.value) == expected


def test_phrases_without_a_channel_are_not_supported(segmenter: UNetSegmenter) -> None:
    record = ImageRecord(Path("1.png"), 9, 9, "mine", phrases=("cysts", "Cyst ", "liver"))
    reason = "the network was not trained on the phrase"
    assert segmenter.unsupported(record) == {"cysts": reason, "liver": reason}


def test_images_and_phrases_of_different_number_are_refused(
    segmenter: UNetSegmenter, phantom_images: list[Image]
) -> None:
    with pytest.raises(InputError, match="3 images but phrases of 1"):
        segmenter.segment(phantom_images, [["cyst"]])


def test_a_text_in_place_of_a_list_and_numbers_beyond_one_are_refused(
    segmenter: UNetSegmenter, phantom_images: list[Image]
) -> None:
    with pytest.raises(InputError, match=r"phrases\[0\] is the text 'cyst'"):
        segmenter.segment(phantom_images[:1], ["cyst"])
    with pytest.raises(InputError, match=r"images\[0\] has dtype float64"):
        segmenter.segment([phantom_images[0] * 1.0], [["cyst"]])
    (found,), (expected,) = (
        segmenter.segment([one], [["cyst"]]) for one in (phantom_images[0] / 255, phantom_images[0])
    )
    assert [one.score for one in found] == [one.score for one in expected]


def test_a_folder_gives_back_what_was_saved(
    folder: Path, segmenter: UNetSegmenter, phantom_images: list[Image]
) -> None:
    loaded = load_unet(folder)
    assert loaded.phrases == PHRASES and not loaded.network.training
    assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
    for name, tensor in segmenter.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], tensor), name
    asked = [PHRASES] * len(phantom_images)
    assert_equal(loaded.segment(phantom_images, asked), segmenter.segment(phantom_images, asked))
    assert loaded.to("cpu") is loaded


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phrases": ["cyst"]}, "does not fit"),
        ({"channels": [4, 8, 16]}, "does not fit"),
        ({"channels": [4, 8]}, "does not fit"),
        ({"phrases": []}, "phrases: "),
        ({"phrases": ["cyst", "cyst", "fetal head", "kidney"]}, "a phrase appears twice"),
        ({"size": 30}, "3 levels make size a multiple of 4, at least 8; 30 is not"),
        ({"name": "samus"}, "name: "),
        ({"classes": 4}, "classes: "),
    ],
)
def test_a_description_that_does_not_fit_is_refused(folder: Path, change: dict[str, object], message: str) -> None:
    path = folder / DESCRIPTION
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError) as caught:
        load_unet(folder)
    assert message in str(caught.value) and str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_tensor_too_few_or_too_many_is_refused(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    for changed in (dict(list(tensors.items())[1:]), tensors | {"more": torch.zeros(1)}):
        save_file(changed, folder / WEIGHTS)
        with pytest.raises(InputError, match="does not fit"):
            load_unet(folder)


def test_what_is_no_folder_of_a_unet_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has no unet\.json; give the folder best or last of a run"):
        load_unet(tmp_path / "none")
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:-50])
    with pytest.raises(InputError, match="cut off"):
        load_unet(folder)
    (folder / WEIGHTS).unlink()
    with pytest.raises(InputError, match="no such weight file"):
        load_unet(folder)
    (folder / DESCRIPTION).write_text("{")
    with pytest.raises(InputError, match="not readable as JSON"):
        load_unet(folder)


def test_another_spelling_of_a_known_phrase_is_the_same_phrase(
    segmenter: UNetSegmenter, phantom_images: list[Image]
) -> None:
    asked = segmenter.segment(phantom_images[:1], [["Benign  lesion."]])[0]
    known = segmenter.segment(phantom_images[:1], [["benign lesion"]])[0]
    assert [one.phrase for one in asked] == ["Benign  lesion."] * len(known)
    for one, same in zip(asked, known, strict=True):
        assert one.mask_hw is not None and same.mask_hw is not None
        assert (one.mask_hw == same.mask_hw).all()
