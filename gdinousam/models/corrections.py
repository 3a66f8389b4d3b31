"""The places where models of transformers compute something else than the official code, set right.

Published weights were trained with the official arithmetic; the package ``parity`` and recorded outputs show that
nothing else differs: one place in Grounding DINO, one in SAM, none in SAM2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import GroundingDinoForObjectDetection, SamModel

# The official code keeps a coordinate and what is left to 1 this far from zero (inverse_sigmoid in its util/misc.py).
# transformers, up to 5.23 at least, uses 1e-5: boxes that fill the image or touch its edge come out up to 2e-3 away.
_SMALLEST_FRACTION = 1e-3


# Of the norms in SAM's two-way transformer, torch's default there. transformers, up to 5.23 at least, uses 1e-6 for all
# norms of the decoder, which moves mask logits by up to 3e-4.
_TWO_WAY_EPSILON = 1e-5


def normalize_officially(model: SamModel) -> None:
    """Give the norms of the decoder's transformer their official epsilon, in place; the other norms have it."""
    for module in model.mask_decoder.transformer.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = _TWO_WAY_EPSILON


def refine_boxes_officially(model: GroundingDinoForObjectDetection) -> None:
    """Make the decoder refine boxes with ``inverse_sigmoid``, in place; ``pred_boxes`` stay transformers' own."""
    decoder = model.model.decoder
    decoder.forward = _with_official_inverse_sigmoid(decoder.forward)


def inverse_sigmoid(fractions: torch.Tensor) -> torch.Tensor:
    """Logits of numbers in [0, 1], as the official code bounds them; same shape."""
    rest = 1 - fractions
    return torch.log(fractions.clamp(min=_SMALLEST_FRACTION) / rest.clamp(min=_SMALLEST_FRACTION))


class _OfficialInverseSigmoid(TorchFunctionMode):
    """While active, ``torch.special.logit`` is ``inverse_sigmoid``: in transformers the bound is a constant."""

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
