"""BiomedCLIP's published layouts load whole, nothing else does, and its features are the recorded ones."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from medclip_files import (
    TINY,
    in_layout_of_transformers,
    needs_goldens,
    recorded,
    recorded_shapes,
    recorded_tensors,
    with_epsilon,
    write_tokenizer,
)

from gdinousam.errors import InputError
from gdinousam.methods.medclip_sam.biomedclip import BiomedClip, BiomedClipSize
from gdinousam.methods.medclip_sam.frame import CLIP_MEAN, CLIP_STD
from gdinousam.methods.medclip_sam.weights import biomedclip_from, fingerprint, load_biomedclip, load_tokenizer
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.runtime import torch_seed

FILE = Path("open_clip_pytorch_model.bin")
Spoil = Callable[[Tensors], object]


@pytest.fixture(scope="module")
def tiny() -> BiomedClip:
    with torch_seed(0):
        return BiomedClip(TINY).eval()


def shapes_of(tensors: Tensors) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}


@needs_goldens
def test_the_layouts_here_are_those_of_the_published_models(tiny: BiomedClip) -> None:
    with torch.device("meta"):
        full = BiomedClip()
    assert shapes_of(full.state_dict()) == recorded_shapes("biomedclip_openclip")
    assert shapes_of(in_layout_of_transformers(full)) == recorded_shapes("biomedclip_hf")
    assert shapes_of(in_layout_of_transformers(tiny)) == recorded_shapes("biomedclip_tiny")


def test_both_layouts_load_the_same_weights(tiny: BiomedClip) -> None:
    tensors = tiny.state_dict()
    stored = {name: tensor.clone() for name, tensor in tensors.items()}
    stored["text.transformer.embeddings.position_ids"] = torch.arange(TINY.positions)[None]  # of old transformers
    for given in (stored, in_layout_of_transformers(tiny)):
        loaded = biomedclip_from(given, FILE, TINY)
        assert not loaded.training
        assert loaded.state_dict().keys() == tensors.keys()
        assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in tensors.items())


def test_features_are_those_of_open_clip(tiny: BiomedClip) -> None:
    hf_model = pytest.importorskip("open_clip.hf_model")
    timm_model = pytest.importorskip("open_clip.timm_model")
    text = hf_model.HFTextEncoder(
        "bert", 32, config=tiny.text.transformer.config, pooler_type="cls_last_hidden_state_pooler", proj_type="mlp"
    ).eval()
    text.transformer.pooler = None  # built where the sizes are given, and not part of BiomedCLIP
    text.load_state_dict(tiny.text.state_dict())
    ids = torch.tensor([[2, 7, 9, 3, 0, 0]])
    with torch.inference_mode():
        ours = tiny.text_features(ids[:, :4], torch.ones(1, 4, dtype=torch.int64))
        assert torch.allclose(ours, text(ids), atol=1e-6)  # padding changes nothing
    with torch_seed(0):
        full = BiomedClip(BiomedClipSize(text_depth=1, vocabulary=10)).eval()
    image = timm_model.TimmModel("vit_base_patch16_224", 512, 224, pool="", proj="linear").eval()
    image.load_state_dict(full.visual.state_dict())
    pixel_values = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(full.image_features(pixel_values), image(pixel_values), atol=1e-6)


@needs_goldens
def test_tiny_features_are_the_recorded_ones() -> None:
    model = with_epsilon(biomedclip_from(recorded_tensors("biomedclip_tiny"), FILE, TINY), 1e-12)
    arrays = recorded("m2ib_tiny")
    pixel_values, ids = (torch.from_numpy(arrays[name]) for name in ("pixel_values", "input_ids"))
    assert np.abs(model.image_features(pixel_values).numpy() - arrays["image_features"]).max() < 1e-5
    assert np.abs(model.text_features(ids, torch.ones_like(ids)).numpy() - arrays["text_features"]).max() < 1e-5
    for layer in range(TINY.depth):
        tokens = model.tokens_after(layer, pixel_values)
        assert np.abs(tokens[0].numpy() - arrays["hidden_states"][layer + 1]).max() < 1e-5
        assert torch.allclose(model.features_from(layer, tokens), model.image_features(pixel_values), atol=1e-6)


@needs_goldens
def test_full_features_are_the_recorded_ones() -> None:
    """The tolerance is what was measured between open_clip's architecture and the recorded one, epsilons included."""
    model = biomedclip_from(recorded_tensors("biomedclip_hf"), FILE)
    arrays = recorded("biomedclip_forward")
    mean, std = (torch.tensor(values)[:, None, None] for values in (CLIP_MEAN, CLIP_STD))
    pixel_values = ((torch.from_numpy(arrays["image_u8"]).float() / 255 - mean) / std)[None]
    ids = torch.from_numpy(arrays["input_ids"])
    with torch.inference_mode():
        assert np.abs(model.image_features(pixel_values).numpy() - arrays["image_features"]).max() < 1e-4
        assert np.abs(model.text_features(ids, torch.ones_like(ids)).numpy() - arrays["text_features"]).max() < 1e-5
        for layer in (0, 6, 11):
            tokens = model.tokens_after(layer, pixel_values)[0, ::14, ::32]
            assert np.abs(tokens.numpy() - arrays["hidden_probe"][layer + 1]).max() < 3e-4


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda tensors: tensors.pop("text_projection.fc1.weight"), r"lacks 1 tensor \(text.proj.0.weight\)"),
        (
            lambda tensors: tensors.pop("vision_model.encoder.layers.1.self_attn.k_proj.bias"),
            r"lacks 1 tensor \(visual.trunk.blocks.1.attn.qkv.bias\)",
        ),
        (lambda tensors: tensors.update({"extra.weight": torch.ones(1)}), r"has 1 tensor \(extra.weight\) that this"),
        (
            lambda tensors: tensors.update({"visual_projection.weight": torch.ones(32, 8)}),
            r"has of another shape 1 tensor \(visual.head.proj.weight\)",
        ),
    ],
    ids=["missing", "part of a matrix", "unknown", "another width"],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tiny: BiomedClip, spoil: Spoil, message: str) -> None:
    tensors = in_layout_of_transformers(tiny)
    spoil(tensors)
    with pytest.raises(InputError, match=message):
        biomedclip_from(tensors, FILE, TINY)


def test_a_file_of_open_clip_with_too_much_is_refused_by_name(tiny: BiomedClip) -> None:
    tensors = tiny.state_dict() | {"visual.trunk.blocks.4.norm1.weight": torch.ones(64)}
    with pytest.raises(InputError, match=r"has unknown 1 tensor \(visual.trunk.blocks.4.norm1.weight\)"):
        biomedclip_from(tensors, FILE, TINY)


def test_a_file_of_another_size_is_refused_when_it_is_named(tmp_path: Path, tiny: BiomedClip) -> None:
    write_tokenizer(tmp_path)
    torch.save(tiny.state_dict(), tmp_path / FILE)
    for name in (tmp_path, tmp_path / FILE):
        with pytest.raises(InputError, match=rf"{re.escape(str(tmp_path / FILE))} lacks .* not BiomedCLIP with ViT-B"):
            load_biomedclip(str(name))


def test_what_is_not_biomedclip_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    torch.save({"image_encoder.patch_embed.proj.weight": torch.zeros(1)}, tmp_path / "sam.pth")
    with pytest.raises(InputError, match="holds a SAM model; expected an official BiomedCLIP file"):
        load_biomedclip(str(tmp_path / "sam.pth"))
    with pytest.raises(InputError, match="has no weights of BiomedCLIP"):
        load_biomedclip(str(tmp_path))
    with pytest.raises(InputError, match=r"no_such\.bin: no such weight file"):
        load_biomedclip(str(tmp_path / "no_such.bin"))
    with pytest.raises(InputError, match="neither the hub nor its cache gave"):
        load_biomedclip("nobody/biomedclip")


def test_the_tokenizer_is_that_of_biomedclip(tmp_path: Path) -> None:
    write_tokenizer(tmp_path / "right")
    ids = load_tokenizer(tmp_path / "right")("An ultrasound image showing Cyst.")["input_ids"]
    assert ids == [2, 6, 7, 8, 9, 10, 12, 3]
    write_tokenizer(tmp_path / "bert", ("[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"))
    with pytest.raises(InputError, match=r"another tokenizer than BiomedCLIP's \(\[UNK\] is not token 1\)"):
        load_tokenizer(tmp_path / "bert")
    with pytest.raises(InputError, match=r"has no tokenizer; put tokenizer\.json or vocab\.txt"):
        load_tokenizer(tmp_path)


def test_random_weights_are_frozen_and_come_from_the_generator() -> None:
    found = []
    for seed in (0, 0, 1):
        with torch_seed(seed):
            model, tokenizer = load_biomedclip("random-small")
        assert not model.training and not any(one.requires_grad for one in model.parameters())
        assert model.size.vocabulary == len(tokenizer)
        found.append(fingerprint(model))
    assert found[0] == found[1] != found[2]


def test_a_fingerprint_sees_one_number(tiny: BiomedClip) -> None:
    other = biomedclip_from(tiny.state_dict(), FILE, TINY)
    assert fingerprint(other) == fingerprint(tiny)
    with torch.no_grad():
        other.text.proj[2].weight[0, 0] += 1
    assert fingerprint(other) != fingerprint(tiny)
