"""The text encoder, which while frozen computes each distinct caption once, the same numbers whatever it is asked with.

Shapes: B captions, T tokens of the longest, D numbers of a token.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import BertModel
from transformers.modeling_outputs import BaseModelOutput

_MAX_REMEMBERED = 4096  # captions; 12 tokens of 768 numbers each take 37 kB


class TextMemory:
    """What an encoder made of captions, for as long as its weights stay as they are.

    A copy of it, or what comes out of a pickle, is empty: it belongs to another encoder.
    """

    def __init__(self) -> None:
        self._features: OrderedDict[tuple[object, ...], torch.Tensor] = OrderedDict()
        self._weights: tuple[object, ...] | None = None

    def __len__(self) -> int:
        return len(self._features)

    def __reduce__(self) -> tuple[type[TextMemory], tuple[()]]:
        return TextMemory, ()

    def forget(self) -> None:
        """Empty the memory.

        To be called after a change that torch itself does not count: one made through ``parameter.data``.
        """
        self._features.clear()

    def keep_for(self, encoder: nn.Module) -> None:
        """Empty the memory unless the weights of the encoder are those of the last call."""
        weights = _state_of(encoder)
        if weights is None or weights != self._weights:
            self.forget()
        self._weights = weights

    def recall(self, key: tuple[object, ...], compute: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The features (T, D) of the caption with this key, computed if need be."""
        if key not in self._features:
            self._features[key] = compute()
        self._features.move_to_end(key)
        while len(self._features) > _MAX_REMEMBERED:
            self._features.popitem(last=False)
        return self._features[key]


class TextEncoder(BertModel):
    """BERT with a memory, which it uses while none of its parameters is trained; ``None``: it computes every time.

    A caption is computed by itself, at its own length: matrix products of another shape round their last digits
    otherwise, so that features made in a batch would depend on which captions were new in it, and a resumed run, which
    has forgotten them all, would end in other numbers.
    """

    memory: TextMemory | None = None

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor,
        position_ids: torch.Tensor,
        **options: Any,
    ) -> BaseModelOutput:
        """transformers' own answer; with a memory, features of padding tokens are zero instead of computed, which every
        later layer masks.
        """
        inputs = (input_ids, attention_mask, token_type_ids, position_ids)
        memory = self.memory
        if memory is None or any(parameter.requires_grad for parameter in self.parameters()):
            return super().forward(*inputs, **options)
        memory.keep_for(self)
        device = input_ids.device
        precision = torch.get_autocast_dtype(device.type) if torch.is_autocast_enabled(device.type) else None
        padding: Any = self.config.pad_token_id
        lengths = input_ids.ne(padding).sum(dim=1).tolist()
        features = []
        for row, (tokens, length) in enumerate(zip(input_ids.tolist(), lengths, strict=True)):
            compute = partial(self._computed, inputs, row, length, options)
            features.append(memory.recall((precision, *tokens[:length]), compute))
        batch = features[0].new_zeros(*input_ids.shape, features[0].shape[-1])
        for row, of_caption in enumerate(features):
            batch[row, : len(of_caption)] = of_caption
        return BaseModelOutput(last_hidden_state=batch)  # type: ignore[arg-type]

    @torch.no_grad()
    def _computed(
        self, inputs: Sequence[torch.Tensor], row: int, length: int, options: Mapping[str, Any]
    ) -> torch.Tensor:
        """The features (length, D) of one caption of the inputs."""
        own = [_own(tensor, row, length) for tensor in inputs]
        features: torch.Tensor = super().forward(*own, **options).last_hidden_state
        return features[0].clone()

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> TextEncoder:
        """What ``to`` and its like call: there and back, weights are rounded and may lie where they lay before."""
        if self.memory is not None:
            self.memory.forget()
        return super()._apply(fn, recurse)


def _own(tensor: torch.Tensor, row: int, length: int) -> torch.Tensor:
    """The part (1, length) of (B, T), or (1, length, length) of the masks (B, T, T), that is one caption's."""
    return tensor[(slice(row, row + 1), *[slice(length)] * (tensor.ndim - 1))]


def _state_of(encoder: nn.Module) -> tuple[object, ...] | None:
    """Where the weights lie and how often each was changed in place; ``None`` where torch does not count changes."""
    tensors = [*encoder.parameters(), *encoder.buffers()]
    if any(tensor.is_inference() for tensor in tensors):
        return None
    return tuple((id(tensor), tensor.data_ptr(), tensor.dtype, tensor._version) for tensor in tensors)
