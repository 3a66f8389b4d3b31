"""What transformers' Grounding DINO is given of ours: the one place where its modules get other classes.

Every class here is a subclass of the one that it replaces, with the same parameters. How many there must be follows
from the model's config, for transformers 4.57 as for 5.23; ``give_own_classes`` raises RuntimeError otherwise.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import BertModel, GroundingDinoForObjectDetection
from transformers.models.grounding_dino.modeling_grounding_dino import (
    GroundingDinoBiMultiHeadAttention,
    GroundingDinoContrastiveEmbedding,
    GroundingDinoConvModel,
    GroundingDinoDecoder,
    GroundingDinoDecoderLayer,
    GroundingDinoEncoderLayer,
    GroundingDinoMLPPredictionHead,
    MultiScaleDeformableAttention,
)

from gdinousam.models.detector.backbone import Backbone
from gdinousam.models.detector.corrections import OfficialDecoder
from gdinousam.models.detector.deformable_choice import sampler_for
from gdinousam.models.detector.fusion import ImageTextAttention
from gdinousam.models.detector.text_encoder import TextEncoder
from gdinousam.models.own_classes import OwnClasses, give_own_classes


class DeformableSampling(MultiScaleDeformableAttention):
    """transformers' sampling of deformable attention, by the code that ``sampler_for`` chooses."""

    def forward(
        self,
        value: Tensor,
        value_spatial_shapes: Tensor,
        value_spatial_shapes_list: list[tuple[int, int]],
        level_start_index: Tensor,
        sampling_locations: Tensor,
        attention_weights: Tensor,
        im2col_step: int,
    ) -> Tensor:
        """See ``gdinousam.models.detector.deformable.Sampler``, of which transformers gives the further inputs too."""
        sampler = sampler_for(value, super().forward)
        if sampler is not None:
            return sampler(value, value_spatial_shapes_list, sampling_locations, attention_weights)
        sampled: Tensor = super().forward(
            value,
            value_spatial_shapes,
            value_spatial_shapes_list,
            level_start_index,
            sampling_locations,
            attention_weights,
            im2col_step,
        )
        return sampled


class InFloat32(nn.Module):
    """Computes in float32 inside a mixed-precision region.

    For what answers: half a pixel of a small lesion is beyond bfloat16's eight bits, and so is the order of close
    scores.
    """

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """The forward of the class behind this one, for the inputs in float32."""
        device = next(iter((*inputs, *named.values()))).device
        with torch.autocast(device.type, enabled=False):
            exact = {name: _as_float32(tensor) for name, tensor in named.items()}
            return super().forward(*map(_as_float32, inputs), **exact)


class LinearInFloat32(InFloat32, nn.Linear):
    """Gives sampling positions."""


class AdaptedLinearInFloat32(InFloat32, LoraLinear):
    """Gives sampling positions, with an adapter."""


class BoxHeadInFloat32(InFloat32, GroundingDinoMLPPredictionHead):
    """Gives box offsets."""


class TokenScoresInFloat32(InFloat32, GroundingDinoContrastiveEmbedding):
    """Gives token logits."""


class Recomputed(nn.Module):
    """Keeps no inner activations for the backward pass, which computes them again, dropout included."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The forward of the class behind this one."""
        if not torch.is_grad_enabled():
            return super().forward(*inputs, **named)
        return checkpoint(super().forward, *inputs, use_reentrant=False, **named)


class RecomputedEncoderLayer(Recomputed, GroundingDinoEncoderLayer):
    """Recomputes features of image and text."""


class RecomputedDecoderLayer(Recomputed, GroundingDinoDecoderLayer):
    """Recomputes features of query boxes."""


def use_own_modules(model: GroundingDinoForObjectDetection) -> None:
    """Give a Grounding DINO, plain or below its adapters, the classes of this module but ``Recomputed``, in place."""
    num_encoder_layers, num_decoder_layers = model.config.encoder_layers, model.config.decoder_layers
    num_layers = num_encoder_layers + num_decoder_layers
    modules = list(model.modules())
    give_own_classes(modules, {GroundingDinoConvModel: Backbone}, expected=1)
    # of the text encoders that transformers would put here, the published models all have this one
    num_text_encoders = int(model.config.text_config.model_type == "bert")
    give_own_classes(modules, {BertModel: TextEncoder}, expected=num_text_encoders)
    give_own_classes(modules, {GroundingDinoBiMultiHeadAttention: ImageTextAttention}, expected=num_encoder_layers)
    give_own_classes(modules, {MultiScaleDeformableAttention: DeformableSampling}, expected=num_layers)
    give_own_classes(modules, {GroundingDinoDecoder: OfficialDecoder}, expected=1)
    linear: OwnClasses = {nn.Linear: LinearInFloat32, LoraLinear: AdaptedLinearInFloat32}
    give_own_classes(_sampling_offsets(model), linear, expected=num_layers)
    box_heads: OwnClasses = {GroundingDinoMLPPredictionHead: BoxHeadInFloat32}
    give_own_classes(_box_heads(model), box_heads, expected=2 * num_decoder_layers + 1)
    token_scores: OwnClasses = {GroundingDinoContrastiveEmbedding: TokenScoresInFloat32}
    give_own_classes(_token_scores(model), token_scores, expected=num_decoder_layers + 1)


def recompute_layers(model: GroundingDinoForObjectDetection) -> None:
    """Make all layers of encoder and decoder ``Recomputed``, in place: gradient checkpointing."""
    encoder, decoder = model.model.encoder.layers, model.model.decoder.layers
    own_encoder: OwnClasses = {GroundingDinoEncoderLayer: RecomputedEncoderLayer}
    give_own_classes(encoder, own_encoder, expected=model.config.encoder_layers)
    own_decoder: OwnClasses = {GroundingDinoDecoderLayer: RecomputedDecoderLayer}
    give_own_classes(decoder, own_decoder, expected=model.config.decoder_layers)


def answering(model: GroundingDinoForObjectDetection) -> list[nn.Module]:
    """What gives sampling positions, box offsets and token logits; a module may come several times."""
    return [*_sampling_offsets(model), *_box_heads(model), *_token_scores(model)]


def _sampling_offsets(model: GroundingDinoForObjectDetection) -> list[nn.Module]:
    layers = model.model
    return [
        *(layer.deformable_layer.self_attn.sampling_offsets for layer in layers.encoder.layers),
        *(layer.encoder_attn.sampling_offsets for layer in layers.decoder.layers),
    ]


def _box_heads(model: GroundingDinoForObjectDetection) -> list[nn.Module]:
    """Those of the model are the decoder's own, or in transformers 5 have the same weights."""
    return [*model.bbox_embed, *model.model.decoder.bbox_embed, model.model.encoder_output_bbox_embed]


def _token_scores(model: GroundingDinoForObjectDetection) -> list[nn.Module]:
    return [*model.class_embed, model.model.encoder_output_class_embed]


def _as_float32(tensor: Tensor) -> Tensor:
    """The tensor in float32, unless it holds truth values or counts."""
    return tensor.float() if tensor.is_floating_point() else tensor
