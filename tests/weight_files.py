"""Weight files as others publish them, made by rule: official Grounding DINO, SAM, SAM2, and the published LoRA."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import GroundingDinoForObjectDetection

from benchmarks.parity.official_grounding_dino import official_values
from benchmarks.parity.recorded import load_recording
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.grounding_dino import transformers_module
from gdinousam.models.checkpoints.published_lora import LAST_BOX_LAYER, adapted_modules
from gdinousam.models.small import small_vocabulary
from gdinousam.runtime import torch_seed

TESTS = Path(__file__).parent
RECORDING = TESTS / "parity" / "recorded" / "grounding_dino_swin_t.npz"
SAM_NAMES = TESTS / ".." / ".." / "shared" / "goldens" / "medsam" / "state_dict_keys.json"
# All layers but two of each kind: a third of the size, and no other path through the code.
LAYERS_LEFT_OUT = (
    r"(transformer\.(en|de)coder\.\w*layers|(transformer\.decoder\.)?bbox_embed|bert\.encoder\.layer)\.([2-9]|1\d)\."
)
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


def official_grounding_dino(folder: Path) -> Path:
    """An official Grounding DINO file with fewer layers, and BERT's special places in a vocabulary beside it."""
    recording = load_recording(RECORDING)
    shapes = {name: shape for name, shape in recording.shapes.items() if not re.match(LAYERS_LEFT_OUT, name)}
    tensors = {name: official_values(name, shape) for name, shape in shapes.items()} | recording.integers
    torch.save({"model": tensors}, folder / "dino.pth")
    (folder / "vocab.txt").write_text("\n".join(small_vocabulary()) + "\n")
    return folder / "dino.pth"


def official_sam(path: Path) -> Path:
    """An official ViT-B file of SAM or MedSAM, all zeros, which take no room."""
    if not SAM_NAMES.is_file():
        pytest.skip("needs the list of official names that developers have")
    keys = json.loads(SAM_NAMES.read_text(encoding="utf-8"))["keys"]
    torch.save({name: torch.zeros(()).expand(shape) for name, (shape, _) in keys.items()}, path)
    return path


def official_sam2(path: Path) -> Path:
    """An official SAM2.1 tiny file with random weights."""
    build = pytest.importorskip("sam2.build_sam", reason="needs the official package sam2")
    model = build.build_sam2("configs/sam2.1/sam2.1_hiera_t.yaml", device="cpu")
    torch.save({"model": model.state_dict()}, path)
    return path


def write(path: Path, tensors: Tensors, rename: Callable[[str], str] = lambda name: PEFT_PREFIX + name) -> Path:
    """Write tensors as the published file holds them, in the entry ``model``; returns the path."""
    torch.save({"model": {rename(name): tensor for name, tensor in tensors.items()}, "epoch": 7}, path)
    return path
