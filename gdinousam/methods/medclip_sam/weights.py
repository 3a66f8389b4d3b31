"""Weights of BiomedCLIP with its tokenizer: of open_clip, of MedCLIP-SAMv2's fine-tuned file, our own, random."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict
from pathlib import Path

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save_file
from transformers import BertTokenizerFast, PreTrainedTokenizerBase

from gdinousam.errors import InputError
from gdinousam.methods.medclip_sam.biomedclip import BiomedClip, BiomedClipSize
from gdinousam.models.checkpoints.files import Tensors, read_tensors, require_kind
from gdinousam.models.checkpoints.keys import fill, rename, translate
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.small import small_tokenizer
from gdinousam.models.weights.choice import best_of_run, is_hub_id
from gdinousam.models.weights.hub import folder_with
from gdinousam.models.weights.pretrained import first_line, has_tokenizer
from gdinousam.reading import read_json_object, reason_of

FINE_TUNED, SIZE = "gdinousam_biomedclip.safetensors", "gdinousam_biomedclip.json"
_OPEN_CLIP = "open_clip_pytorch_model.bin"
_FILES = (_OPEN_CLIP, "open_clip_model.safetensors", "pytorch_model.bin", "model.safetensors")
_TOKENIZER_FILES = ("tokenizer.json", "vocab.txt", "tokenizer_config.json", "special_tokens_map.json")
# The vocabulary is PubMedBERT's; BERT's own has as many entries, but other ones, so that a swap would not be noticed.
_PLACES = {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}

# As many blocks as the published one, as settings count them, but thin ones.
SMALL = BiomedClipSize(
    image_size=64,
    patch_size=8,
    width=64,
    depth=12,
    num_heads=4,
    mlp_width=128,
    text_width=64,
    text_depth=2,
    text_num_heads=4,
    text_mlp_width=128,
    vocabulary=len(small_tokenizer()),
    positions=256,
    embed_width=32,
)

_TENSOR = r"(weight|bias)"
_TEXT, _TEXT_LAYER = r"text\.transformer", r"text_model\.encoder\.layers\.(\d+)"
_OUR_LAYER = r"text.transformer.encoder.layer.\1"
_IMAGE_LAYER = r"vision_model\.encoder\.layers\.(\d+)"
_OUR_BLOCK = r"visual.trunk.blocks.\1"
_BERT_NAMES = {"q": "query", "k": "key", "v": "value"}
# From transformers' layout to open_clip's. Query, key and value of the image tower are one matrix there.
_RULES = (
    rename("logit_scale", "logit_scale"),
    rename(r"text_model\.embeddings\.token_embedding\.weight", "text.transformer.embeddings.word_embeddings.weight"),
    rename(
        r"text_model\.embeddings\.position_embedding\.weight", "text.transformer.embeddings.position_embeddings.weight"
    ),
    rename(
        r"text_model\.embeddings\.token_type_embedding\.weight",
        "text.transformer.embeddings.token_type_embeddings.weight",
    ),
    rename(rf"text_model\.embeddings\.layer_norm\.{_TENSOR}", r"text.transformer.embeddings.LayerNorm.\1"),
    *(
        rename(rf"{_TEXT_LAYER}\.self_attn\.{letter}_proj\.{_TENSOR}", rf"{_OUR_LAYER}.attention.self.{word}.\2")
        for letter, word in _BERT_NAMES.items()
    ),
    rename(rf"{_TEXT_LAYER}\.self_attn\.out_proj\.{_TENSOR}", rf"{_OUR_LAYER}.attention.output.dense.\2"),
    rename(rf"{_TEXT_LAYER}\.layer_norm1\.{_TENSOR}", rf"{_OUR_LAYER}.attention.output.LayerNorm.\2"),
    rename(rf"{_TEXT_LAYER}\.mlp\.fc1\.{_TENSOR}", rf"{_OUR_LAYER}.intermediate.dense.\2"),
    rename(rf"{_TEXT_LAYER}\.mlp\.fc2\.{_TENSOR}", rf"{_OUR_LAYER}.output.dense.\2"),
    rename(rf"{_TEXT_LAYER}\.layer_norm2\.{_TENSOR}", rf"{_OUR_LAYER}.output.LayerNorm.\2"),
    rename(r"text_projection\.fc1\.weight", "text.proj.0.weight"),
    rename(r"text_projection\.fc2\.weight", "text.proj.2.weight"),
    rename(r"vision_model\.embeddings\.class_embedding", "visual.trunk.cls_token"),
    rename(r"vision_model\.embeddings\.position_embedding\.weight", "visual.trunk.pos_embed"),
    rename(rf"vision_model\.embeddings\.patch_embedding\.{_TENSOR}", r"visual.trunk.patch_embed.proj.\1"),
    rename(rf"{_IMAGE_LAYER}\.layer_norm([12])\.{_TENSOR}", rf"{_OUR_BLOCK}.norm\2.\3"),
    rename(rf"{_IMAGE_LAYER}\.self_attn\.([qkv])_proj\.{_TENSOR}", rf"{_OUR_BLOCK}.attn.\2.\3"),
    rename(rf"{_IMAGE_LAYER}\.self_attn\.out_proj\.{_TENSOR}", rf"{_OUR_BLOCK}.attn.proj.\2"),
    rename(rf"{_IMAGE_LAYER}\.mlp\.fc([12])\.{_TENSOR}", rf"{_OUR_BLOCK}.mlp.fc\2.\3"),
    rename(rf"vision_model\.post_layernorm\.{_TENSOR}", r"visual.trunk.norm.\1"),
    rename(r"visual_projection\.weight", "visual.head.proj.weight"),
)
# Counted, not learned; older versions of transformers stored them.
_POSITION_NUMBERS = r".*\.embeddings\.position_ids"
_PLACES_IN_FRONT = {"visual.trunk.cls_token": 2, "visual.trunk.pos_embed": 1}
_MARK_OF_TRANSFORMERS = "text_model."


def load_biomedclip(weights: str) -> tuple[BiomedClip, PreTrainedTokenizerBase]:
    """Load BiomedCLIP and its tokenizer, frozen, on the CPU, in eval mode.

    weights: a file in open_clip's or transformers' layout with the tokenizer beside it, a folder of both, a hub id, a
    folder that was fine-tuned here (``save_biomedclip``), ``random`` for random weights of full size, or
    ``random-small`` for the sizes of ``SMALL``, both from torch's generator. Raises InputError for what is missing,
    unreadable, another model, or comes with another tokenizer.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        model = BiomedClip(SMALL if weights == RANDOM_SMALL else None)
        return model.requires_grad_(False).eval(), small_tokenizer()
    folder = Path(best_of_run(weights))
    if (folder / SIZE).is_file():
        return _fine_tuned(folder)
    path = _weight_file(weights)
    tensors = require_kind(read_tensors(path), "BiomedCLIP", path)
    tokenizer = load_tokenizer(path.parent)
    return biomedclip_from(tensors, path).requires_grad_(False), tokenizer


def biomedclip_from(tensors: Tensors, path: Path, size: BiomedClipSize | None = None) -> BiomedClip:
    """Build BiomedCLIP, in eval mode, from the tensors of a file in either layout.

    path: the file, for messages. size: of files of other sizes. Raises InputError where any tensor is missing, left
    over or of another shape.
    """
    tensors = {name: tensor for name, tensor in tensors.items() if not re.fullmatch(_POSITION_NUMBERS, name)}
    if any(name.startswith(_MARK_OF_TRANSFORMERS) for name in tensors):
        tensors = _in_layout_of_open_clip(tensors, path)
    model = BiomedClip(size)
    fill(model, tensors, path, "it is not BiomedCLIP with ViT-B/16 at 224 pixels")
    return model.eval()


def save_biomedclip(model: BiomedClip, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write a BiomedCLIP of any size with its tokenizer into an existing folder; ``load_biomedclip`` reads it."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, folder / FINE_TUNED)
    tokenizer.save_pretrained(folder)
    (folder / SIZE).write_text(json.dumps({"size": asdict(model.size)}, indent=2) + "\n", encoding="utf-8")


def fingerprint(model: BiomedClip) -> str:
    """A hash of all weights, the same on every machine and device; takes a second or two at full size."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def load_tokenizer(folder: Path, is_biomedclips: bool = True) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder; InputError where there is none, or another model's than BiomedCLIP's.

    is_biomedclips: false takes any, such as the one that random weights were trained with.
    """
    if not has_tokenizer(folder):
        raise InputError(f"{folder} has no tokenizer; put tokenizer.json or vocab.txt of BiomedCLIP beside its weights")
    try:
        tokenizer: PreTrainedTokenizerBase = BertTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # the tokenizers library raises nothing narrower
        raise InputError(f"cannot read the tokenizer in {folder}: {first_line(error)}") from error
    for token, place in _PLACES.items() if is_biomedclips else ():
        if tokenizer.convert_tokens_to_ids(token) != place:
            raise InputError(f"{folder} holds another tokenizer than BiomedCLIP's ({token} is not token {place})")
    return tokenizer


def _fine_tuned(folder: Path) -> tuple[BiomedClip, PreTrainedTokenizerBase]:
    try:
        size = TypeAdapter(BiomedClipSize).validate_python(read_json_object(folder / SIZE).get("size"))
    except ValidationError as error:
        raise InputError(f"{folder / SIZE}: size: {reason_of(error)}; restore it") from error
    model = biomedclip_from(read_tensors(folder / FINE_TUNED), folder / FINE_TUNED, size)
    return model.requires_grad_(False), load_tokenizer(folder, is_biomedclips=False)


def _weight_file(weights: str) -> Path:
    if is_hub_id(weights):
        folder = folder_with(weights, _OPEN_CLIP, _TOKENIZER_FILES)
        if folder is None:
            raise InputError(
                f"{weights}: neither the hub nor its cache gave {_OPEN_CLIP}; fetch the repository once and name its "
                "folder"
            )
        return folder / _OPEN_CLIP
    path = Path(best_of_run(weights))
    if not path.is_dir():
        return path
    found = next((path / file for file in _FILES if (path / file).is_file()), None)
    if found is None:
        raise InputError(f"{path} has no weights of BiomedCLIP ({', '.join(_FILES)}); check the path")
    return found


def _in_layout_of_open_clip(tensors: Tensors, path: Path) -> Tensors:
    renamed = translate(tensors, _RULES, _POSITION_NUMBERS, path)
    joined: dict[str, dict[str, torch.Tensor]] = {}
    for name in list(renamed):
        part = re.fullmatch(r"(.*\.attn)\.([qkv])\.(weight|bias)", name)
        if part is not None:
            joined.setdefault(f"{part[1]}.qkv.{part[3]}", {})[part[2]] = renamed.pop(name)
    for name, parts in joined.items():
        if parts.keys() == {"q", "k", "v"}:  # else it is missing, which is said
            renamed[name] = torch.cat([parts[letter] for letter in "qkv"])
    # open_clip's have a place for the image in front, its class token one for the token too
    return renamed | {
        name: renamed[name][(None,) * places] for name, places in _PLACES_IN_FRONT.items() if name in renamed
    }
