"""Where transformers' Grounding DINO computes something else than the official code, set right on the instance.

Published weights were trained with the official arithmetic. ``tests/parity`` shows that both differences are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from transformers import GroundingDinoForObjectDetection

# The official code keeps a coordinate and what is left to 1 this far from zero (inverse_sigmoid in its util/misc.py).
# transformers, up to 5.23 at least, uses 1e-5: boxes that fill the image or touch its edge come out up to 2e-3 away.
_SMALLEST_FRACTION = 1e-3


def correct(model: GroundingDinoForObjectDetection) -> None:
    """Make the decoder refine boxes, and the encoder embed text positions, as the official code does; in place."""
    decoder = model.model.decoder
    decoder.forward = _with_official_inverse_sigmoid(decoder.forward)
    for layer in model.model.encoder.layers:
        layer.get_text_position_embeddings = _of_float_positions(layer.get_text_position_embeddings)


def inverse_sigmoid(fractions: torch.Tensor) -> torch.Tensor:
    """Logits of numbers in [0, 1], as the official code bounds them; same shape."""
    rest = 1 - fractions
    return torch.log(fractions.clamp(min=_SMALLEST_FRACTION) / rest.clamp(min=_SMALLEST_FRACTION))


class _OfficialInverseSigmoid(TorchFunctionMode):
    """While active, ``torch.special.logit`` is ``inverse_sigmoid``; transformers' decoder has the bound as a constant."""

    def __torch_function__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.special.logit:
            return inverse_sigmoid(arguments[0])
        return function(*arguments, **(options or {}))


def _with_official_inverse_sigmoid(forward: Callable[..., Any]) -> Callable[..., Any]:
    def corrected_forward(*arguments: Any, **options: Any) -> Any:
        with _OfficialInverseSigmoid():
            return forward(*arguments, **options)

    return corrected_forward


def _of_float_positions(embed: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """transformers 5.9 to 5.22 return sines in the type of the positions, and those of integers are cut to integers."""

    def embed_float_positions(
        text: torch.Tensor, embedding: torch.Tensor | None, positions: torch.Tensor | None
    ) -> torch.Tensor:
        return embed(text, embedding, None if positions is None else positions.float())

    return embed_float_positions
