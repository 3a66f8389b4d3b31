"""A mask head that hears the phrase: the words it hears, that it begins as SAM2, and that it comes back as saved."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from gdinousam.errors import InputError
from gdinousam.models.detector.detector import Detector
from gdinousam.models.loading import load_detector, load_mask_head
from gdinousam.models.mask_heads.phrase_prompt import CONFIG, WEIGHTS, PhraseMaskHead, PhraseReader
from gdinousam.models.mask_heads.sam2 import Sam2MaskHead
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.records import Hint, Image
from gdinousam.runtime import torch_seed

BOXES_XYXY = [(20.0, 30.0, 90.0, 100.0), (60.5, 10.0, 150.0, 80.0)]


@pytest.fixture(scope="module")
def detector(small_detector: Path) -> Detector:
    return load_detector(str(small_detector))


@pytest.fixture
def silent(small_mask_head: Path, detector: Detector) -> PhraseMaskHead:
    """Nothing is trained."""
    plain = load_mask_head(str(small_mask_head))
    assert isinstance(plain, Sam2MaskHead)
    return PhraseMaskHead(plain.model, PhraseReader.of(detector)).requires_grad_(False).eval()


@pytest.fixture
def hearing(silent: PhraseMaskHead) -> PhraseMaskHead:
    with torch_seed(3):
        nn.init.normal_(silent.prompt.last.weight)
    return silent


def logits_of(head: Sam2MaskHead, image: Image, *phrases: str) -> torch.Tensor:
    """Of the first boxes, with these phrases."""
    boxes = torch.tensor(BOXES_XYXY[: len(phrases)])
    with torch.inference_mode():
        (encoded,) = head.encode([image])
        return head.answer(encoded, boxes, image.shape[:2], phrases).low_res_logits


@pytest.mark.parametrize("phrase", ["cyst", "Malignant breast lesion", "rotator cuff"])
def test_it_hears_what_the_detector_reads(detector: Detector, phrase: str) -> None:
    read: list[torch.Tensor] = []
    text_encoder = detector.grounding_dino.model.text_backbone
    handle = text_encoder.register_forward_hook(lambda _, __, output: read.append(output.last_hidden_state))
    tokens = tokenize_captions([build_caption([phrase])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad():
        detector(torch.zeros(1, 3, 64, 64), tokens)
    handle.remove()
    expected = read[0][0][tokens.phrase_tokens[0][0]].mean(dim=0)
    heard = PhraseReader.of(detector)(["fetal head", phrase, "", phrase])
    assert torch.allclose(heard[1], expected, atol=1e-5) and torch.equal(heard[1], heard[3])
    assert not heard[2].any()


def test_untrained_it_is_sam2(silent: PhraseMaskHead, small_mask_head: Path, phantom_images: list[Image]) -> None:
    plain = load_mask_head(str(small_mask_head))
    hints = [[Hint(phrase, box) for phrase, box in zip(("cyst", "prostate"), BOXES_XYXY, strict=True)]]
    (expected,), (found,) = (head.segment_hints(phantom_images[:1], hints) for head in (plain, silent))
    for one, other in zip(expected, found, strict=True):
        assert one.mask_hw is not None and other.mask_hw is not None
        assert np.array_equal(one.mask_hw, other.mask_hw) and one.quality == pytest.approx(other.quality, abs=1e-5)


def test_the_phrase_decides(hearing: PhraseMaskHead, phantom_images: list[Image]) -> None:
    image = phantom_images[0]
    capsule, cortex = (logits_of(hearing, image, phrase) for phrase in ("kidney capsule", "kidney cortex"))
    assert not torch.allclose(capsule, cortex, atol=1e-3)
    both = logits_of(hearing, image, "kidney capsule", "kidney cortex")
    assert torch.allclose(both[:1], capsule, atol=1e-5)


def test_boxes_alone_say_nothing(hearing: PhraseMaskHead, small_mask_head: Path, phantom_images: list[Image]) -> None:
    plain = load_mask_head(str(small_mask_head))
    (expected,), (found,) = (head.masks_in_boxes(phantom_images[:1], [BOXES_XYXY]) for head in (plain, hearing))
    assert np.array_equal(np.stack(expected), np.stack(found))


def test_it_comes_back_as_saved(hearing: PhraseMaskHead, phantom_images: list[Image], tmp_path: Path) -> None:
    hearing.save(tmp_path)
    loaded = load_mask_head(str(tmp_path))
    assert isinstance(loaded, PhraseMaskHead)
    image = phantom_images[0]
    assert torch.equal(logits_of(loaded, image, "cyst"), logits_of(hearing, image, "cyst"))


@pytest.mark.parametrize("damage", ["no weights", "cut off", "no text encoder", "of another size"])
def test_damaged_files_are_named(hearing: PhraseMaskHead, tmp_path: Path, damage: str) -> None:
    hearing.save(tmp_path)
    if damage == "no weights":
        (tmp_path / WEIGHTS).unlink()
    elif damage == "cut off":
        (tmp_path / WEIGHTS).write_bytes((tmp_path / WEIGHTS).read_bytes()[:1000])
    elif damage == "no text encoder":
        (tmp_path / CONFIG).write_text("{}", encoding="utf-8")
    else:
        text = (tmp_path / CONFIG).read_text(encoding="utf-8")
        (tmp_path / CONFIG).write_text(text.replace('"hidden_size": 64', '"hidden_size": 32'), encoding="utf-8")
    with pytest.raises(InputError, match=CONFIG if damage == "no text encoder" else WEIGHTS):
        load_mask_head(str(tmp_path))
