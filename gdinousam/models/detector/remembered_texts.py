"""A frozen text encoder that computes each distinct caption once, the same numbers whatever it is asked with.

Shapes: B captions, T tokens of the longest.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from transformers.modeling_outputs import BaseModelOutput

_MAX_REMEMBERED = 4096  # captions; 12 tokens of 768 numbers each take 37 kB


def remember_texts(text_encoder: Any) -> None:
    """Make a frozen text encoder compute each distinct caption once.

    A caption is computed by itself, at its own length: matrix products of another shape round their last digits
    otherwise, so that features made in a batch would depend on which captions were new in it, and a resumed run, which
    has forgotten them all, would end in other numbers.

    Its forward is replaced on the instance, so that parameter names stay as they are. Features of padding tokens are
    zero instead of computed; every later layer masks them.
    """
    compute = text_encoder.forward
    remembered: OrderedDict[tuple[int, ...], torch.Tensor] = OrderedDict()

    def forward(
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        position_ids: torch.Tensor,
        **options: Any,
    ) -> BaseModelOutput:
        lengths = input_ids.ne(text_encoder.config.pad_token_id).sum(dim=1).tolist()
        keys = [tuple(row[:length]) for row, length in zip(input_ids.tolist(), lengths, strict=True)]
        inputs = (input_ids, attention_mask, token_type_ids, position_ids)
        for row, key in enumerate(keys):
            if key not in remembered:
                with torch.no_grad():
                    computed = compute(*(_own(tensor, row, len(key)) for tensor in inputs), **options)
                remembered[key] = computed.last_hidden_state[0].clone()
            remembered.move_to_end(key)
        # on the device of this call: the model may have moved since a caption was remembered
        batch = remembered[keys[0]].new_zeros(*input_ids.shape, remembered[keys[0]].shape[-1], device=input_ids.device)
        for row, key in enumerate(keys):
            batch[row, : len(key)] = remembered[key]
        while len(remembered) > _MAX_REMEMBERED:
            remembered.popitem(last=False)
        return BaseModelOutput(last_hidden_state=batch)  # type: ignore[arg-type]

    text_encoder.forward = forward


def _own(tensor: torch.Tensor, row: int, length: int) -> torch.Tensor:
    """The part (1, length) of (B, T), or (1, length, length) of the masks (B, T, T), that is one caption's."""
    return tensor[(slice(row, row + 1), *[slice(length)] * (tensor.ndim - 1))]
