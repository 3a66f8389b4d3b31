"""LoRA files like the published one, for a Grounding DINO of any size, under the names of groundingdino-py."""

from collections.abc import Callable
from pathlib import Path

import torch
from transformers import GroundingDinoForObjectDetection

from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.grounding_dino import transformers_module
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.seeding import torch_seed

PEFT_PREFIX = "base_model.model."


def published_lora(model: GroundingDinoForObjectDetection, rank: int = 4, seed: int = 11) -> Tensors:
    """Random adapters of all modules and a changed last box layer, under official names without prefix."""
    tensors: Tensors = {}
    with torch_seed(seed):
        for module in official_modules(model):
            num_out, num_in = linear(model, module).weight.shape
            tensors[f"{module}.lora_A.weight"] = 0.05 * torch.randn(rank, num_in)
            tensors[f"{module}.lora_B.weight"] = 0.05 * torch.randn(num_out, rank)
        for part, parameter in linear(model, LAST_BOX_LAYER).named_parameters():
            tensors[f"{LAST_BOX_LAYER}.{part}"] = parameter.detach() + 0.05 * torch.randn_like(parameter)
    return tensors


def official_modules(model: GroundingDinoForObjectDetection) -> list[str]:
    """Official names of the modules of a model that the public adaptation adapts."""
    return adapted_modules(model.config.encoder_layers, model.config.decoder_layers)


def linear(model: GroundingDinoForObjectDetection, official_module: str) -> torch.nn.Linear:
    """The layer of transformers' model that has this official name."""
    layer = model.get_submodule(str(transformers_module(official_module)))
    assert isinstance(layer, torch.nn.Linear)
    return layer


def merge_by_hand(model: GroundingDinoForObjectDetection, tensors: Tensors) -> GroundingDinoForObjectDetection:
    """Add the adapters to the weights of the model and put the trained layer in place; alpha is the rank."""
    with torch.no_grad():
        for module in official_modules(model):
            linear(model, module).weight += tensors[f"{module}.lora_B.weight"] @ tensors[f"{module}.lora_A.weight"]
        last = linear(model, LAST_BOX_LAYER)
        last.weight.copy_(tensors[f"{LAST_BOX_LAYER}.weight"])
        last.bias.copy_(tensors[f"{LAST_BOX_LAYER}.bias"])
    return model


def write(path: Path, tensors: Tensors, rename: Callable[[str], str] = lambda name: PEFT_PREFIX + name) -> Path:
    """Write tensors as the published file holds them, in the entry ``model``; returns the path."""
    torch.save({"model": {rename(name): tensor for name, tensor in tensors.items()}, "epoch": 7}, path)
    return path
