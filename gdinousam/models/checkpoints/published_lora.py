"""The published LoRA file of the paper: what peft stores of an adapted groundingdino-py model, told apart and checked.

It is a torch file whose entry ``model`` holds adapters of 81 modules, of rank 32, and the last layer of the box head,
trained in full. peft has spelled such names in several ways over time, and programs save more or less of them; all of
these are read. Alpha is not stored: the public code sets it to the rank, which scales every update by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import torch

from gdinousam.errors import InputError
from gdinousam.models.checkpoints.files import Tensors
from gdinousam.models.checkpoints.keys import listed

NUM_LAYERS = 6  # of the encoder and of the decoder of the detector that it was published for
LAST_BOX_LAYER = "bbox_embed.0.layers.2"
_ADAPTED_ONCE = ("feat_map", "bbox_embed.0.layers.0", "bbox_embed.0.layers.1")
_ADAPTED_PER_ENCODER_LAYER = (
    *(f"transformer.encoder.layers.{{}}.linear{i}" for i in (1, 2)),
    "transformer.encoder.text_layers.{}.self_attn.out_proj",
    *(f"transformer.encoder.text_layers.{{}}.linear{i}" for i in (1, 2)),
)
_ADAPTED_PER_DECODER_LAYER = (
    *(
        f"transformer.decoder.layers.{{}}.cross_attn.{projection}"
        for projection in ("sampling_offsets", "attention_weights", "value_proj", "output_proj")
    ),
    *(f"transformer.decoder.layers.{{}}.{attention}.out_proj" for attention in ("ca_text", "self_attn")),
    *(f"transformer.decoder.layers.{{}}.linear{i}" for i in (1, 2)),
)

# peft's own prefix, and that of DistributedDataParallel inside or outside of it.
_PREFIX = r"(?:module\.)?(?:base_model\.model\.)?(?:module\.)?"
# The one box head of all decoder layers; the encoder's, enc_out_bbox_embed, is another and is not adapted.
_BOX_HEAD = r"(?:transformer\.decoder\.)?bbox_embed\.\d+\."
# Within a module, the name of peft's adapter ("default") stands or is left out.
_ADAPTER = re.compile(r"(.+\.lora_[AB])(?:\.\w+)?\.weight")
_TRAINED = re.compile(r"(.+)\.modules_to_save(?:\.\w+)?\.(weight|bias)")
_FROZEN = re.compile(r"(.+)\.(?:base_layer|original_module)\.(weight|bias)")

# In the base: query, key and value in one matrix; and what no part of the detector reads.
_JOINT = r"\.in_proj_(?:weight|bias)$|\.qkv\.(?:weight|bias)$"
_UNREAD = r"bert\.pooler\..+|label_enc\.weight"


@dataclass(frozen=True, eq=False)
class PublishedLora:
    """Content of the file, under the official names of modules, the shared box head's once, as ``bbox_embed.0``.

    adapters: ``MODULE.lora_A`` (rank, in) and ``MODULE.lora_B`` (out, rank). trained: weight (4, D) and bias (4,) of
    ``LAST_BOX_LAYER``. base: the frozen weights that some programs save along, all or a part; mostly empty.
    """

    adapters: Tensors = field(default_factory=dict)
    trained: Tensors = field(default_factory=dict)
    base: Tensors = field(default_factory=dict)

    @property
    def base_parts(self) -> dict[str, tuple[torch.Tensor, ...]]:
        """The weights in ``base`` that a model reads, those of query, key and value in one matrix taken apart."""
        read = {
            name: tensor
            for name, tensor in self.base.items()
            if tensor.is_floating_point() and not re.fullmatch(_UNREAD, name)
        }
        return {name: tensor.chunk(3) if re.search(_JOINT, name) else (tensor,) for name, tensor in read.items()}

    @property
    def rank(self) -> int:
        """The rank of the adapters."""
        return _rank(*next(iter(self.adapters.items())))


def adapted_modules(num_encoder_layers: int, num_decoder_layers: int) -> list[str]:
    """Official names of the modules that the public adaptation adapts; 81 at full size, with 6 layers each."""
    return [
        *_ADAPTED_ONCE,
        *(name.format(layer) for layer in range(num_encoder_layers) for name in _ADAPTED_PER_ENCODER_LAYER),
        *(name.format(layer) for layer in range(num_decoder_layers) for name in _ADAPTED_PER_DECODER_LAYER),
    ]


def has_official_names(names: Iterable[str]) -> bool:
    """Whether tensors are called as in groundingdino-py; in transformers' model the encoder is ``model.encoder``."""
    return any(re.search(r"(^|\.)transformer\.(en|de)coder\.", name) for name in names)


def published_lora_from(
    tensors: Tensors, path: Path, num_encoder_layers: int, num_decoder_layers: int
) -> PublishedLora:
    """Tell the tensors of a file apart.

    path: the file, for messages. num_encoder_layers, num_decoder_layers: of the model that it is for. Raises InputError
    where an adapter or the trained layer is missing, where others are there, where ranks differ, and where two names of
    one tensor disagree.
    """
    content = PublishedLora()
    for name, tensor in tensors.items():
        table, key = _place(name, content)
        if table.setdefault(key, tensor) is not tensor and not torch.equal(table[key], tensor):
            raise InputError(f"{path}: {name} differs from {key} under another name, but the model has it once")
    modules = adapted_modules(num_encoder_layers, num_decoder_layers)
    wanted = {f"{module}.lora_{part}" for module in modules for part in "AB"}
    wanted |= {f"{LAST_BOX_LAYER}.{part}" for part in ("weight", "bias")}
    found = content.adapters.keys() | content.trained.keys()
    if missing := sorted(wanted - found):
        raise InputError(
            f"{path} lacks {listed(missing)} of the {len(modules)} adapted modules and the last box layer; "
            "it is incomplete, or for another detector"
        )
    if unknown := sorted(found - wanted):
        raise InputError(
            f"{path} has {listed(unknown)} that the published LoRA leaves alone; "
            "it is of another adaptation, or for another detector"
        )
    _require_one_rank(content.adapters, path)
    return content


def _place(name: str, content: PublishedLora) -> tuple[Tensors, str]:
    """Where a tensor of the file belongs, and its name there."""
    name = re.sub(f"^{_PREFIX}", "", name)
    name = re.sub(f"^{_BOX_HEAD}", "bbox_embed.0.", name)
    if match := _ADAPTER.fullmatch(name):
        return content.adapters, match[1]
    if match := _TRAINED.fullmatch(name):
        return content.trained, f"{match[1]}.{match[2]}"
    if match := _FROZEN.fullmatch(name):
        return content.base, f"{match[1]}.{match[2]}"
    # get_peft_model_state_dict writes a trained layer under its plain name
    is_trained = name.startswith(f"{LAST_BOX_LAYER}.")
    return content.trained if is_trained else content.base, name


def _require_one_rank(adapters: Tensors, path: Path) -> None:
    ranks = {name: _rank(name, tensor) for name, tensor in adapters.items()}
    first, rank = next(iter(ranks.items()))
    for name, other in ranks.items():
        if other != rank or not other:
            raise InputError(
                f"{path}: {first} has rank {rank}, {name} has rank {other}; the published LoRA has one rank throughout"
            )


def _rank(name: str, tensor: torch.Tensor) -> int:
    """The rank of an adapter's half; 0 for what is not a matrix."""
    return int(tensor.shape[0 if name.endswith("lora_A") else 1]) if tensor.ndim == 2 else 0
