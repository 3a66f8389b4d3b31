"""LoRA on Grounding DINO: which modules are adapted, and proof that they are.

The default is the public adaptation of the paper: 81 linear modules of rank 32, and the last layer of the box head in
full; 2,991,108 parameters or 1.7 % of the full-size model. The paper's text (section 2.2) says instead that the whole
box head is trained in full without LoRA: ``box_head="full"``.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model
from peft.tuners.lora import LoraLayer
from peft.utils import ModulesToSaveWrapper
from pydantic import Field
from torch import nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, GroundingDinoModel

from gdinousam.errors import InputError
from gdinousam.models.own_classes import give_own_classes
from gdinousam.settings import Settings

BoxHead = Literal["last_layer", "full"]
Further = Literal["text_encoder", "fusion", "image_encoder"]

# The shared box head appears under several names in the model; modules are listed once, under the first.
_BOX_HEAD = r"(model\.decoder\.)?bbox_embed\.0\.layers\."
_ADAPTED = (
    r"model\.text_projection",
    r"model\.encoder\.layers\.\d+\.deformable_layer\.fc[12]",
    r"model\.encoder\.layers\.\d+\.text_enhancer_layer\.(self_attn\.out_proj|fc[12])",
    r"model\.decoder\.layers\.\d+\.encoder_attn\.(sampling_offsets|attention_weights|value_proj|output_proj)",
    r"model\.decoder\.layers\.\d+\.(encoder_attn_text|self_attn)\.out_proj",
    r"model\.decoder\.layers\.\d+\.fc[12]",
)
# What the public adaptation leaves frozen; an image encoder's linear layers, or its convolutions without groups.
_FURTHER: dict[Further, tuple[str, ...]] = {
    "text_encoder": (r"model\.text_backbone\.encoder\..+",),
    "fusion": (
        r"model\.encoder\.layers\.\d+\.fusion_layer\.attn\..+",
        r"model\.encoder\.layers\.\d+\.deformable_layer\.self_attn\..+",
    ),
    "image_encoder": (r"model\.backbone\..+", r"model\.input_proj_vision\..+"),
}
_ADAPTED_PER_ENCODER_LAYER = 5
_ADAPTED_PER_DECODER_LAYER = 8


class LoraSettings(Settings):
    """The adapters; the defaults are those of the public adaptation."""

    rank: int = Field(32, ge=1, description="Rank of the adapters.")
    alpha: int = Field(32, ge=1, description="The update of an adapter is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout before each adapter.")
    box_head: BoxHead = Field(
        "last_layer",
        description="last_layer: adapters on the first two layers of the box head, and the last layer trained "
        "in full (public code); full: all three trained in full (paper's text).",
    )

    attention_outputs: bool = Field(
        True,
        description="Train the adapters of the output projections of plain attention (18 of the 81). false: "
        "they have no effect, as in the public code, where torch's fused attention never calls them.",
    )

    further: tuple[Further, ...] = Field(
        (),
        description="Parts that get adapters too, which the public adaptation leaves frozen: text_encoder; fusion (of "
        "image and text, and the encoder's attention); image_encoder, with the layers behind it.",
    )


DEFAULT_ADAPTER = "default"  # peft's name for the only adapter of a model


@dataclass(frozen=True)
class ParameterCount:
    """adapted_modules: modules with an adapter. trainable, total: numbers of parameters."""

    adapted_modules: int
    trainable: int
    total: int

    def __str__(self) -> str:
        share = 100 * self.trainable / self.total
        return (
            f"{self.adapted_modules} adapted modules, {self.trainable:,} of {self.total:,} parameters trained "
            f"({share:.1f} %)"
        )


def expected_adapted_modules(config: GroundingDinoConfig, box_head: BoxHead) -> int:
    """Number of modules that ``add_lora`` must adapt in a model of this configuration; 81 at full size."""
    layers = config.encoder_layers * _ADAPTED_PER_ENCODER_LAYER + config.decoder_layers * _ADAPTED_PER_DECODER_LAYER
    return layers + 1 + (2 if box_head == "last_layer" else 0)


def add_lora(model: GroundingDinoForObjectDetection, settings: LoraSettings) -> PeftModel:
    """Freeze the model, insert adapters and return it as a peft model; see the module's docstring for where.

    Raises InputError for a model without Grounding DINO's module names.
    """
    prepare_for_adapters(model)
    layers = {name: module for name, module in model.named_modules() if _can_be_adapted(module)}
    names = [name for name, module in layers.items() if isinstance(module, nn.Linear)]
    full = "[012]" if settings.box_head == "full" else "2"
    adapted_box_layers = () if settings.box_head == "full" else (_BOX_HEAD + "[01]",)
    adapted = _matching(names, (*_ADAPTED, *adapted_box_layers))
    expected = expected_adapted_modules(model.config, settings.box_head)
    if len(adapted) != expected:
        raise InputError(
            f"found {len(adapted)} of {expected} modules to adapt in {type(model).__name__}; give a Grounding DINO"
        )
    saved = _matching(names, (_BOX_HEAD + full,))
    adapted += [name for part in dict.fromkeys(settings.further) for name in _matching(list(layers), _FURTHER[part])]
    num_trainable = sum(_adapter_size(layers[name], settings.rank) for name in adapted)
    num_trainable += sum(parameter.numel() for name in saved for parameter in layers[name].parameters())
    adapted_model = insert_adapters(
        model,
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=adapted,
            modules_to_save=saved,
        ),
    )
    counted = count_parameters(adapted_model)
    assert counted.adapted_modules == len(adapted), f"peft adapted {counted.adapted_modules}, not {len(adapted)}"
    assert counted.trainable == num_trainable, f"peft trains {counted.trainable} parameters, not {num_trainable}"
    if not settings.attention_outputs:
        _freeze_attention_outputs(adapted_model)
    return adapted_model


def _can_be_adapted(module: nn.Module) -> bool:
    """Convolutions with groups are left out: peft's adapters would mix their channels."""
    return isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)


def _adapter_size(layer: nn.Module, rank: int) -> int:
    """The parameters of its two matrices; the first is a convolution of the layer's kernel where that is one."""
    weight: torch.Tensor = layer.get_parameter("weight")
    return rank * (weight.shape[0] + weight[0].numel())


def _freeze_attention_outputs(adapted: PeftModel) -> None:
    """Keep these adapters as they start: the second matrix is zero, so they change nothing."""
    for name, module in adapted.named_modules():
        if isinstance(module, nn.Module) and isinstance(module, LoraLayer) and name.endswith(".out_proj"):
            module.requires_grad_(False)


def insert_adapters(model: GroundingDinoForObjectDetection, config: PeftConfig) -> PeftModel:
    """peft's ``get_peft_model`` on a prepared model."""
    with without_peft_warning():
        return get_peft_model(model, config)


@contextmanager
def without_peft_warning() -> Iterator[None]:
    """Silence one warning: peft (0.21) asks every model by a name that transformers (5.23) deprecates.

    Removable once peft asks by the new name.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        yield


class WithInputEmbeddings(GroundingDinoModel):
    """transformers' model, which tells peft its input embeddings."""

    def get_input_embeddings(self) -> nn.Module:
        """Those of the text encoder."""
        embeddings: nn.Module = self.text_backbone.get_input_embeddings()
        return embeddings


def prepare_for_adapters(model: GroundingDinoForObjectDetection) -> None:
    """Undo two differences of transformers 5 that adapters stumble over; with 4.57 nothing changes.

    It gives every decoder layer a box head module of its own with tied weights, of which an adapter would reach one;
    and it no longer knows the model's input embeddings, which peft asks for.
    """
    if getattr(model.config, "decoder_bbox_embed_share", False):
        shared = nn.ModuleList([model.bbox_embed[0]] * model.config.decoder_layers)
        model.bbox_embed = model.model.decoder.bbox_embed = shared
    give_own_classes([model.model], {GroundingDinoModel: WithInputEmbeddings}, expected=1)


def count_parameters(model: nn.Module) -> ParameterCount:
    """Count adapted modules, trainable and all parameters of the original model with its adapters."""
    # the frozen original that peft keeps beside a fully trained module is not a parameter of the adapted model
    parameters = {id(p): p for name, p in model.named_parameters() if ".original_module." not in name}.values()
    return ParameterCount(
        adapted_modules=sum(isinstance(module, LoraLayer) for module in model.modules()),
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        total=sum(p.numel() for p in parameters),
    )


@torch.no_grad()
def adapter_change(adapted: PeftModel) -> float:
    """How much an adapter changes a weight matrix at most: the norm of the change as a share of the matrix's.

    Of all matrices with an adapter and all that are trained in full beside them. 0.0: it changes nothing at all.
    """
    largest = 0.0
    for module in adapted.modules():
        if isinstance(module, LoraLayer) and isinstance(module, nn.Module):
            linear: Any = module
            largest = max(largest, _share(linear.get_delta_weight(DEFAULT_ADAPTER), linear.get_base_layer().weight))
        elif isinstance(module, ModulesToSaveWrapper):
            trained = module.modules_to_save[DEFAULT_ADAPTER].state_dict()
            for name, before in module.original_module.state_dict().items():
                largest = max(largest, _share(trained[name] - before, before))
    return largest


def _share(change: torch.Tensor, of: torch.Tensor) -> float:
    """Infinite where zeros were changed."""
    norm = float(change.float().norm())
    return norm / max(float(of.float().norm()), torch.finfo(torch.float32).tiny) if norm else 0.0


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    return [name for name in names if any(re.fullmatch(pattern, name) for pattern in patterns)]
