"""The published LoRA file: every spelling of peft is read alike, and nothing is missing, left over or contradictory."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.grounding_dino import transformers_module
from gdinousam.models.checkpoints.published_lora import (
    LAST_BOX_LAYER,
    PublishedLora,
    adapted_modules,
    published_lora_from,
)

PATH = Path("lora.pth")
RANK = 2
NUM_LAYERS = 2  # of encoder and decoder
HEAD = "bbox_embed.0."


@pytest.fixture
def tensors() -> Tensors:
    """A file's content under the shortest names; every tensor has values of its own."""
    content: Tensors = {}
    for module in adapted_modules(NUM_LAYERS, NUM_LAYERS):
        content |= {f"{module}.lora_A.weight": torch.rand(RANK, 6), f"{module}.lora_B.weight": torch.rand(5, RANK)}
    return content | {f"{LAST_BOX_LAYER}.weight": torch.rand(4, 6), f"{LAST_BOX_LAYER}.bias": torch.rand(4)}


def read(tensors: Tensors) -> PublishedLora:
    return published_lora_from(tensors, PATH, NUM_LAYERS, NUM_LAYERS)


def refusal(tensors: Tensors) -> str:
    """The message of the InputError, which must be one line that names the file."""
    with pytest.raises(InputError) as caught:
        read(tensors)
    message = str(caught.value)
    assert message.startswith(str(PATH)) and "\n" not in message
    return message


def test_the_public_adaptation_has_81_modules_and_all_of_them_are_known() -> None:
    modules = adapted_modules(6, 6)
    assert len(modules) == 81
    assert len({transformers_module(module) for module in modules} - {None}) == 81


def named_parameters_form(name: str) -> str:
    name = re.sub(r"(lora_[AB])", r"\1.default", name)
    return "base_model.model." + name.replace(
        "bbox_embed.0.layers.2.", "bbox_embed.0.layers.2.modules_to_save.default."
    )


@pytest.mark.parametrize(
    "spelled",
    [
        lambda name: name,
        lambda name: f"base_model.model.{name}",
        lambda name: f"module.base_model.model.{name}",
        lambda name: f"base_model.model.module.{name}",
        lambda name: name.replace("layers.2.", "layers.2.modules_to_save.") if name.startswith(HEAD) else name,
        lambda name: name.replace("lora_A", "lora_A.tuned").replace("lora_B", "lora_B.tuned"),
        lambda name: name.replace(HEAD, "transformer.decoder.bbox_embed.5."),
        named_parameters_form,
    ],
)
def test_every_spelling_is_read_alike(tensors: Tensors, spelled: Callable[[str], str]) -> None:
    content = read({spelled(name): tensor for name, tensor in tensors.items()})
    assert content.rank == RANK
    assert content.base == {}
    assert content.trained.keys() == {f"{LAST_BOX_LAYER}.weight", f"{LAST_BOX_LAYER}.bias"}
    for name, tensor in (content.adapters | content.trained).items():
        assert torch.equal(tensor, tensors[name if name in tensors else f"{name}.weight"])
    assert len(content.adapters) + len(content.trained) == len(tensors)


def test_the_shared_box_head_may_stand_under_all_its_names(tensors: Tensors) -> None:
    for name in [name for name in tensors if name.startswith(HEAD)]:
        for other in ("bbox_embed.1.", "transformer.decoder.bbox_embed.0.", "transformer.decoder.bbox_embed.1."):
            tensors[name.replace(HEAD, other)] = tensors[name].clone()
    assert len(read(tensors).trained) == 2
    tensors["transformer.decoder.bbox_embed.1.layers.2.bias"] += 1e-6
    assert "transformer.decoder.bbox_embed.1.layers.2.bias differs" in refusal(tensors)


def test_frozen_weights_are_kept_apart_from_trained_ones(tensors: Tensors) -> None:
    frozen = {
        "bbox_embed.0.layers.2.original_module.bias": torch.zeros(4),
        "feat_map.base_layer.weight": torch.ones(5, 6),
        "transformer.level_embed": torch.ones(3),
        "transformer.enc_out_bbox_embed.layers.2.bias": torch.ones(4),
    }
    content = read(tensors | frozen)
    assert torch.equal(content.trained[f"{LAST_BOX_LAYER}.bias"], tensors[f"{LAST_BOX_LAYER}.bias"])
    assert content.base.keys() == {
        f"{LAST_BOX_LAYER}.bias",
        "feat_map.weight",
        "transformer.level_embed",
        "transformer.enc_out_bbox_embed.layers.2.bias",
    }
    assert not content.base[f"{LAST_BOX_LAYER}.bias"].any()


def test_a_file_without_the_trained_layer_is_refused(tensors: Tensors) -> None:
    # the frozen original, under the same layer, is not what was trained
    tensors["bbox_embed.0.layers.2.original_module.weight"] = tensors.pop(f"{LAST_BOX_LAYER}.weight")
    assert f"lacks 1 tensor ({LAST_BOX_LAYER}.weight)" in refusal(tensors)


def test_a_file_with_a_part_of_the_adapters_is_refused_with_a_list(tensors: Tensors) -> None:
    removed = [f"transformer.decoder.layers.1.ca_text.out_proj.lora_{part}" for part in "AB"]
    for name in removed:
        del tensors[f"{name}.weight"]
    message = refusal(tensors)
    assert "lacks 2 tensors" in message and all(name in message for name in removed)


@pytest.mark.parametrize(
    "name",
    [
        "transformer.encoder.layers.2.linear1.lora_A.weight",  # of a larger model
        "bert.pooler.dense.lora_B.default.weight",
        "transformer.enc_out_bbox_embed.layers.2.modules_to_save.default.weight",
        "bbox_embed.0.layers.0.modules_to_save.weight",
        "bbox_embed.0.layers.2.lora_A.weight",
    ],
)
def test_a_file_with_other_adapters_is_refused(tensors: Tensors, name: str) -> None:
    message = refusal(tensors | {name: torch.ones(2, 2)})
    assert "has 1 tensor (" in message and "leaves alone" in message


def test_ranks_that_differ_are_refused_with_both(tensors: Tensors) -> None:
    name = "transformer.encoder.layers.1.linear2.lora_A.weight"
    tensors[name] = torch.ones(RANK + 1, 6)
    message = refusal(tensors)
    assert f"{name.removesuffix('.weight')} has rank 3" in message and "feat_map.lora_A has rank 2" in message


@pytest.mark.parametrize("shape", [(), (3,), (0, 6), (1, 2, 3)])
def test_adapters_that_are_no_matrices_are_refused(tensors: Tensors, shape: tuple[int, ...]) -> None:
    for name in tensors:
        if "lora_A" in name:
            tensors[name] = torch.ones(shape)
    assert "has rank 0" in refusal(tensors)
