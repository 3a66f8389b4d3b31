"""MedSAM as published, and as the comparison study ran it."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch

from benchmarks.parity.weights import rule_values
from gdinousam.errors import InputError
from gdinousam.methods.medsam.segmenter import FirstLabelFinder, StudyFrame, load_medsam
from gdinousam.models.checkpoints.sam import sam_from
from gdinousam.models.detector.box_finder import BoxFinder
from gdinousam.models.detector.detector import LayerPrediction
from gdinousam.models.detector.operating_point import PredictionSettings
from gdinousam.models.loading import load_detector
from gdinousam.models.mask_heads.sam import MedSamFrame, SamMaskHead
from gdinousam.preprocessing import ResizeSettings
from gdinousam.records import Hint, Image
from gdinousam.runtime import torch_seed

GOLDENS = Path(__file__).parents[2] / ".." / "shared" / "goldens" / "medsam"
needs_goldens = pytest.mark.skipif(not GOLDENS.is_dir(), reason="needs the recorded outputs that developers have")
PHRASES = ("cyst",)
PHRASE_TOKENS = torch.tensor([[False, True, True, False]])  # [CLS], two tokens of the phrase, the full stop
SIZE_HW = (100, 200)


@pytest.fixture(scope="module")
def recorded() -> dict[str, npt.NDArray[np.generic]]:
    with np.load(GOLDENS / "forward.npz", allow_pickle=False) as arrays:
        return dict(arrays)


@needs_goldens
def test_the_study_shows_medsam_what_was_recorded(recorded: dict[str, npt.NDArray[np.generic]]) -> None:
    pixel_values = StudyFrame(1024).pixel_values(recorded["image_rgb_u8"].astype(np.uint8))
    before_transposing = pixel_values.transpose(1, 2)
    assert np.abs(before_transposing[:, ::32, ::32].numpy() - recorded["paper_rgb_pre_probe"]).max() < 1e-5


@needs_goldens
@pytest.mark.slow
def test_the_study_s_medsam_answers_as_recorded(recorded: dict[str, npt.NDArray[np.generic]]) -> None:
    keys = json.loads((GOLDENS / "state_dict_keys.json").read_text(encoding="utf-8"))["keys"]
    tensors = {name: torch.from_numpy(rule_values(name, tuple(shape))) for name, (shape, _) in keys.items()}
    head = SamMaskHead(sam_from(tensors, Path("medsam_vit_b.pth")), StudyFrame)
    image = recorded["image_rgb_u8"].astype(np.uint8)
    boxes_xyxy = torch.from_numpy(recorded["box_xyxy"]).reshape(1, 4).float()
    with torch.inference_mode():
        (encoded,) = head.encode([image])
        low_res = head.low_res_logits(encoded, boxes_xyxy, image.shape[:2])
    assert np.abs(encoded[0, ::8, ::4, ::4].numpy() - recorded["paper_rgb_embed_probe"].squeeze()).max() < 1e-4
    assert np.abs(low_res.numpy() - recorded["paper_rgb_low_res"]).max() < 5e-5
    mask_hw = head.masks_of_size(low_res, image.shape[:2])[0].numpy()
    assert np.array_equal(mask_hw, recorded["paper_rgb_seg"].squeeze().astype(bool))


def test_the_study_cuts_boxes_to_whole_pixels() -> None:
    boxes_xyxy = torch.tensor([[10.9, 20.2, 50.5, 60.99]])
    whole = torch.tensor([[10.0, 20.0, 50.0, 60.0]])
    assert torch.equal(
        StudyFrame(64).boxes_in_square(boxes_xyxy, SIZE_HW), MedSamFrame(64).boxes_in_square(whole, SIZE_HW)
    )
    assert boxes_xyxy[0, 0] == pytest.approx(10.9)


@pytest.mark.parametrize(("as_in_study", "frame"), [(False, MedSamFrame), (True, StudyFrame)])
def test_small_random_weights_segment(as_in_study: bool, frame: type, phantom_images: list[Image]) -> None:
    with torch_seed(0):
        head = load_medsam("random-small", as_in_study)
    assert type(head.frame) is frame and not any(one.requires_grad for one in head.parameters())
    hints = [[Hint("cyst", (20.0, 30.0, 90.0, 100.0), score=0.4)], [], []]
    ((found,), *others) = head.segment_hints(phantom_images, hints)
    assert (found.phrase, found.box_xyxy, found.score) == ("cyst", (20.0, 30.0, 90.0, 100.0), 0.4)
    assert found.mask_hw is not None and found.mask_hw.shape == phantom_images[0].shape[:2]
    assert others == [[], []]


def test_a_hint_without_a_box_is_refused(phantom_images: list[Image]) -> None:
    head = load_medsam("random-small")
    with pytest.raises(InputError, match="the hint for 'cyst' has no box"):
        head.segment_hints(phantom_images[:1], [[Hint("cyst")]])
    with pytest.raises(ValueError, match="3 images but hints of 1"):
        head.segment_hints(phantom_images, [[]])


def test_weights_of_sam2_are_refused(small_mask_head: Path) -> None:
    with pytest.raises(InputError, match="holds a SAM2 model"):
        load_medsam(str(small_mask_head))


@pytest.fixture(scope="module")
def finders(small_detector: Path) -> tuple[FirstLabelFinder, BoxFinder]:
    settings = PredictionSettings(box_threshold=0.05, nms_threshold=0.05, text_threshold=0.3)
    parts = load_detector(str(small_detector)), ResizeSettings(size=96), settings
    return FirstLabelFinder(*parts), BoxFinder(*parts)


def prediction(probabilities: list[list[float]]) -> LayerPrediction:
    """Queries with these probabilities of the four tokens; the boxes of two queries do not overlap."""
    centres = torch.linspace(0.1, 0.9, len(probabilities))
    boxes = torch.stack([centres, centres, torch.full_like(centres, 0.05), torch.full_like(centres, 0.05)], dim=1)
    return LayerPrediction(torch.tensor(probabilities).logit(), boxes)


def test_the_first_label_wins_over_the_best_box(finders: tuple[FirstLabelFinder, BoxFinder]) -> None:
    # the first query's label is empty, as no token reaches 0.3; the third has the best box of all, with a word as label
    predicted = prediction([[0.1, 0.1, 0.1, 0.1], [0.1, 0.2, 0.1, 0.1], [0.1, 0.9, 0.1, 0.1]])
    first_label, best = (finder.choose(predicted, PHRASE_TOKENS, PHRASES, SIZE_HW)["cyst"] for finder in finders)
    assert [one.score for one in first_label] == [pytest.approx(0.2)]
    assert first_label[0].box_xyxy == pytest.approx((95, 47.5, 105, 52.5))
    assert best[0].box_xyxy == pytest.approx((175, 87.5, 185, 92.5))


def test_words_that_differ_are_other_labels(finders: tuple[FirstLabelFinder, BoxFinder]) -> None:
    predicted = prediction([[0.1, 0.4, 0.1, 0.1], [0.1, 0.6, 0.7, 0.1], [0.1, 0.5, 0.2, 0.1]])
    (found,) = finders[0].choose(predicted, PHRASE_TOKENS, PHRASES, SIZE_HW)["cyst"]
    assert found.score == pytest.approx(0.5)


def test_boxes_below_the_threshold_are_none(finders: tuple[FirstLabelFinder, BoxFinder]) -> None:
    predicted = prediction([[0.9, 0.01, 0.01, 0.9]])
    assert finders[0].choose(predicted, PHRASE_TOKENS, PHRASES, SIZE_HW) == {"cyst": []}
