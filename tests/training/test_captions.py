"""Images with more phrases than a caption holds are trained with several; too long phrases are found first."""

from pathlib import Path

import pytest
import torch

from gdinousam.data.dataset import Batch, Example
from gdinousam.errors import InputError
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_grounding_dino
from gdinousam.models.small import small_tokenizer
from gdinousam.preprocessing import ResizeSettings
from gdinousam.prompts import build_public_caption
from gdinousam.records import ImageRecord
from gdinousam.training.captions import require_askable, with_captions_that_fit
from gdinousam.training.settings import LossSettings
from gdinousam.training.tasks import DetectorTask

TOKENIZER = small_tokenizer()


def example(phrases: tuple[str, ...], indices: list[int], pixel: float) -> Example:
    """Boxes whose centre names their place among all instances of the image."""
    boxes = torch.tensor([[(place + 1) / 10, 0.5, 0.1, 0.1] for place in range(len(indices))]).reshape(-1, 4)
    masks = torch.stack([torch.full((2, 2), bool(place % 2)) for place in range(len(indices))]) if indices else None
    return Example(torch.full((3, 32, 32), pixel), boxes, phrases, torch.tensor(indices, dtype=torch.int64), masks)


def batch_of(*examples: Example) -> Batch:
    mask = torch.ones(len(examples), 32, 32, dtype=torch.int64)
    return Batch(torch.stack([one.pixel_values for one in examples]), mask, examples)


def test_a_batch_that_fits_stays_itself():
    batch = batch_of(example(("cyst", "kidney"), [1, 0], 1.0))
    assert with_captions_that_fit(batch, TOKENIZER, 6) is batch  # [CLS] cyst . kidney . [SEP]


def test_an_image_stands_in_the_batch_once_for_each_caption():
    many = example(("cyst", "kidney", "liver"), [2, 0, 2, 1], 7.0)
    batch = with_captions_that_fit(batch_of(example(("cyst",), [], 1.0), many), TOKENIZER, 6)
    assert [one.phrases for one in batch.examples] == [("cyst",), ("cyst", "kidney"), ("liver",)]
    assert batch.pixel_values[:, 0, 0, 0].tolist() == [1.0, 7.0, 7.0]
    assert batch.pixel_mask is not None and batch.pixel_mask.shape == (3, 32, 32)
    first, second = batch.examples[1:]
    assert first.phrase_indices.tolist() == [0, 1] and second.phrase_indices.tolist() == [0, 0]
    assert first.boxes_cxcywh_norm[:, 0].tolist() == pytest.approx([0.2, 0.4])
    assert second.boxes_cxcywh_norm[:, 0].tolist() == pytest.approx([0.1, 0.3])
    assert first.masks is not None and first.masks[:, 0, 0].tolist() == [True, True]
    assert batch.num_boxes == 4


def test_a_phrase_that_stands_in_the_caption_twice_counts_twice():
    batch = batch_of(example(("cyst", "cyst", "cyst"), [0, 1, 2], 1.0))
    assert with_captions_that_fit(batch, TOKENIZER, 6) is batch
    parted = with_captions_that_fit(batch, TOKENIZER, 6, build_public_caption)
    assert [one.phrases for one in parted.examples] == [("cyst", "cyst"), ("cyst",)]
    assert [one.phrase_indices.tolist() for one in parted.examples] == [[0, 1], [0]]


def test_the_detector_learns_from_more_phrases_than_a_caption_holds(small_detector: Path):
    model, tokenizer = load_grounding_dino(str(small_detector))
    detector = Detector(model.requires_grad_(True), tokenizer)
    words = ("cyst", "kidney", "liver", "lesion", "mass", "nodule", "fetal head", "capsule", "benign", "malignant")
    phrases = tuple(f"{one} {other}" for one in words for other in words)[: detector.max_tokens // 2]
    batch = Batch(torch.full((1, 3, 96, 96), 0.5), None, (example(phrases, [0, len(phrases) - 1], 0.5),))
    task = DetectorTask(detector, LossSettings(), ResizeSettings(size=96))
    loss = task.losses(batch)["loss"]
    assert torch.isfinite(loss) and loss > 0


def test_a_phrase_longer_than_a_caption_is_found_before_the_first_step():
    fine = ImageRecord(Path("a.png"), 8, 8, "busi", phrases=("cyst",))
    long = ImageRecord(Path("b.png"), 8, 8, "busi", phrases=("cyst", "cyst " * 9))
    require_askable([fine], TOKENIZER, 6)
    with pytest.raises(InputError, match=r"^b\.png: phrase 'cyst cyst .* takes 12 tokens, the model reads 6"):
        require_askable([fine, long], TOKENIZER, 6)
