"""The detector: Grounding DINO from transformers, with the frozen parts truly frozen.

Shapes: B images, Q query boxes, T text tokens, L decoder layers, S encoder positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import GroundingDinoForObjectDetection, PreTrainedTokenizerBase

from gdinousam.models.detector import backbone
from gdinousam.models.detector.backbone import ImageFeatures
from gdinousam.models.detector.corrections import inverse_sigmoid
from gdinousam.models.detector.own_modules import answering, recompute_layers, use_own_modules
from gdinousam.models.detector.text_encoder import TextMemory
from gdinousam.models.first_answer import explained
from gdinousam.models.precision import MixedPrecision
from gdinousam.prompts import TokenizedCaptions


@dataclass(frozen=True, eq=False)
class LayerPrediction:
    """Predictions of one layer. logits: (B, Q, T), ``-inf`` on padding. boxes_cxcywh_norm: (B, Q, 4) in [0, 1]."""

    logits: torch.Tensor
    boxes_cxcywh_norm: torch.Tensor


@dataclass(frozen=True, eq=False)
class DetectorOutput:
    """last: the last decoder layer, the answer. earlier: the other decoder layers. encoder: the encoder's S proposals.

    valid_tokens: (B, T) bool, false on padding. ``earlier`` is filled for training only, ``encoder`` on demand.
    """

    last: LayerPrediction
    earlier: tuple[LayerPrediction, ...]
    encoder: LayerPrediction | None
    valid_tokens: torch.Tensor


class Detector(MixedPrecision):
    """Grounding DINO, plain or with LoRA adapters, and its tokenizer.

    model: transformers' model or a peft model around it. A module below which nothing is trained stays in eval mode, so
    that no dropout or stochastic depth of a frozen part adds noise; the text encoder, where frozen, runs once per
    distinct caption. ``encode`` lets the image backbone run once per image.
    noisy_when_frozen: frozen parts follow ``train()`` too, dropout included, and captions are encoded every time.
    """

    def __init__(
        self,
        model: GroundingDinoForObjectDetection | PeftModel,
        tokenizer: PreTrainedTokenizerBase,
        noisy_when_frozen: bool = False,
    ) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        self._noisy_when_frozen = noisy_when_frozen
        use_own_modules(self.grounding_dino)
        self.grounding_dino.model.text_backbone.memory = None if noisy_when_frozen else TextMemory()

    @property
    def grounding_dino(self) -> GroundingDinoForObjectDetection:
        """transformers' model, below the adapters if there are any."""
        model: Any = self.model.get_base_model() if isinstance(self.model, PeftModel) else self.model
        return model

    @property
    def max_tokens(self) -> int:
        """Longest caption in tokens."""
        return int(self.grounding_dino.config.max_text_len)

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        return self.grounding_dino.device

    def train(self, mode: bool = True) -> Detector:
        """Set training mode where something is trained, eval mode everywhere else unless frozen parts are noisy."""
        super().train(mode)
        for module in self.modules():
            if (
                mode
                and not self._noisy_when_frozen
                and not any(parameter.requires_grad for parameter in module.parameters())
            ):
                module.train(False)
        return self

    @property
    def image_encoder(self) -> nn.Module:
        """The backbone, without its position embeddings."""
        encoder: nn.Module = self.grounding_dino.model.backbone.conv_encoder
        return encoder

    def recompute_layers(self) -> None:
        """Keep no inner activations of encoder and decoder layers for the backward pass, which computes them again:
        gradient checkpointing. Numbers stay the same, dropout included.
        """
        recompute_layers(self.grounding_dino)

    def forget_texts(self) -> None:
        """Empty the memory of captions, which empties itself when torch notices a change of the text encoder's weights;
        see ``TextMemory.forget``.
        """
        memory = self.grounding_dino.model.text_backbone.memory
        if memory is not None:
            memory.forget()

    def multiply_in(self, dtype: torch.dtype) -> None:
        """See ``MixedPrecision``."""
        super().multiply_in(dtype)
        self.forget_texts()

    def in_low_precision(self) -> list[nn.Module]:
        """All but what answers: sampling positions, boxes and token logits; see ``MixedPrecision``."""
        exact = {part for head in answering(self.grounding_dino) for part in head.modules()}
        return [module for module in self.grounding_dino.modules() if module not in exact]

    @explained
    def encode(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor | None = None) -> ImageFeatures:
        """Run the image backbone alone; inputs as in ``forward``, which takes the features in their place."""
        with self.products(pixel_values.device):
            return backbone.encode(self.grounding_dino.model.backbone, pixel_values, pixel_mask)

    @explained
    def forward(
        self,
        images: torch.Tensor | ImageFeatures,
        tokens: TokenizedCaptions,
        pixel_mask: torch.Tensor | None = None,
        with_earlier_layers: bool = False,
        with_encoder: bool = False,
    ) -> DetectorOutput:
        """Predict boxes and token logits.

        images: (B, 3, H, W) float32 pixels, normalised, or their features. tokens: one caption per image. pixel_mask:
        (B, H, W) int64, one on the image and zero on padding; ``None``: no padding, or as the features were made.
        with_earlier_layers: fill ``earlier`` and ``encoder``. with_encoder: fill ``encoder``.
        """
        with self.products(tokens.input_ids.device):
            if isinstance(images, ImageFeatures):
                with backbone.giving(images) as pixel_values:
                    return self._predict(pixel_values, tokens, images.pixel_mask, with_earlier_layers, with_encoder)
            return self._predict(images, tokens, pixel_mask, with_earlier_layers, with_encoder)

    def _predict(
        self,
        pixel_values: torch.Tensor,
        tokens: TokenizedCaptions,
        pixel_mask: torch.Tensor | None,
        with_earlier_layers: bool,
        with_encoder: bool,
    ) -> DetectorOutput:
        output = self.model(
            pixel_values=pixel_values,
            input_ids=tokens.input_ids,
            token_type_ids=tokens.token_type_ids,
            attention_mask=tokens.attention_mask,
            pixel_mask=pixel_mask,
            return_dict=True,
        )
        num_tokens = tokens.input_ids.shape[1]
        valid = tokens.attention_mask.bool()
        last = LayerPrediction(output.logits[..., :num_tokens].float(), self._boxes(output, layer=-1))
        if not (with_earlier_layers or with_encoder):
            return DetectorOutput(last, (), None, valid)
        encoder = LayerPrediction(
            output.enc_outputs_class[..., :num_tokens].float(), output.enc_outputs_coord_logits.float().sigmoid()
        )
        earlier = self._earlier_layers(output, valid) if with_earlier_layers else ()
        return DetectorOutput(last, earlier, encoder, valid)

    def _boxes(self, output: Any, layer: int) -> torch.Tensor:
        """(B, Q, 4) boxes of a decoder layer: not transformers' own, whose inverse sigmoid is another one."""
        references = [output.init_reference_points, *output.intermediate_reference_points.unbind(dim=1)[:-1]]
        offsets = self.grounding_dino.bbox_embed[layer](output.intermediate_hidden_states[:, layer])
        return (offsets + inverse_sigmoid(references[layer])).float().sigmoid()

    def _earlier_layers(self, output: Any, valid_tokens: torch.Tensor) -> tuple[LayerPrediction, ...]:
        """Predictions of all decoder layers but the last, which transformers computes but returns with labels only."""
        hidden = output.intermediate_hidden_states  # (B, L, Q, D)
        text = output.encoder_last_hidden_state_text
        predictions = []
        for layer in range(hidden.shape[1] - 1):
            embed = self.grounding_dino.class_embed[layer]
            logits = embed(hidden[:, layer], text, valid_tokens)[..., : valid_tokens.shape[1]]
            predictions.append(LayerPrediction(logits.float(), self._boxes(output, layer)))
        return tuple(predictions)
