"""The places where models of transformers compute something else than the official code, set right.

Published weights were trained with the official arithmetic; the package ``parity`` and recorded outputs show that
nothing else differs: two places in Grounding DINO, one in SAM, none in SAM2.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import transformers
from torch import nn
from torch.overrides import TorchFunctionMode
from transformers import SamModel
from transformers.models.grounding_dino.modeling_grounding_dino import GroundingDinoDecoder

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


def inverse_sigmoid(fractions: torch.Tensor) -> torch.Tensor:
    """Logits of numbers in [0, 1], as the official code bounds them; same shape."""
    rest = 1 - fractions
    return torch.log(fractions.clamp(min=_SMALLEST_FRACTION) / rest.clamp(min=_SMALLEST_FRACTION))


class _OfficialRefinement(TorchFunctionMode):
    """While active, ``torch.special.logit`` is ``inverse_sigmoid``: in transformers the bound is a constant.

    refined: boxes, (B, Q, 4) each, that the decoder was about to cut off from their gradients, layer by layer.
    """

    def __init__(self) -> None:
        super().__init__()
        self.refined: list[torch.Tensor] = []

    def __torch_function__(
        self, function: Any, types: Any, arguments: Sequence[Any] = (), options: Mapping[str, Any] | None = None
    ) -> Any:
        if function is torch.special.logit:
            return inverse_sigmoid(arguments[0])
        if function is torch.Tensor.detach and arguments[0].ndim == 3 and arguments[0].shape[-1] == 4:
            self.refined.append(arguments[0])
        return function(*arguments, **(options or {}))


class OfficialDecoder(GroundingDinoDecoder):
    """A decoder that refines boxes as the official code does; ``pred_boxes`` stay transformers' own.

    It refines with ``inverse_sigmoid``, and ``intermediate_reference_points`` keep their gradients: the boxes of a
    layer are learned through the layer before it as well ("look forward twice", Zhang et al. 2022, DINO, section 3.5),
    where transformers cuts them off. A layer's own input is cut off in both.
    """

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Inputs and outputs are transformers' own. Raises RuntimeError where it refines in a way unknown here."""
        with _OfficialRefinement() as refinement:
            output = super().forward(*arguments, **options)
        refined = torch.stack(refinement.refined, dim=1)
        if refined.shape != output.intermediate_reference_points.shape:
            raise RuntimeError(
                f"transformers {transformers.__version__} refines boxes in another way; install a version that "
                "setup.py allows, or report it where this one is"
            )
        output.intermediate_reference_points = refined
        return output
