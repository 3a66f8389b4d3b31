"""Weights of SAMUS: the official file, our own folder, random ones, and a start from SAM for training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch.nn.functional as F

from gdinousam.methods.samus.config import SMALL, SamusConfig
from gdinousam.methods.samus.network import Samus, added_names, resized_names
from gdinousam.methods.trained_folder import load_trained, save_trained
from gdinousam.models.checkpoints.files import Tensors, read_tensors, require_kind
from gdinousam.models.checkpoints.keys import fill, rename, translate
from gdinousam.models.checkpoints.sam_parts import SAM_RULES, WEIGHT
from gdinousam.models.loading import RANDOM_SMALL
from gdinousam.models.mask_heads.random_sam import RANDOM

_METHOD = "samus"
_NOTE = "trained by gdinousam; not the published weights of SAMUS"
_OTHERWISE = "give SAMUS's official file or a folder that was trained here"

_ENCODER = r"image_encoder"
_BLOCK = rf"({_ENCODER}\.blocks\.\d+)"
# Names of the official file, those of SAM included; the encoder's of SAM are the same in both.
RULES = (
    rename(rf"({_ENCODER}\.pos_embed)", r"\1"),
    rename(rf"({_ENCODER}\.patch_embed)\.proj\.{WEIGHT}", r"\1.\2"),
    rename(rf"({_ENCODER}\.neck\.[0-3]\.(?:weight|bias))", r"\1"),
    rename(rf"{_BLOCK}\.(norm[12]|attn\.qkv|attn\.proj|mlp\.lin[12])\.{WEIGHT}", r"\1.\2.\3"),
    rename(rf"{_BLOCK}\.attn\.(rel_pos_[hw])", r"\1.attn.\2"),
    rename(rf"{_BLOCK}\.Space_Adapter\.([qkv]|proj)\.{WEIGHT}", r"\1.cross.\2.\3"),
    rename(rf"{_BLOCK}\.MLP_Adapter\.D_fc([12])\.{WEIGHT}", r"\1.mlp_adapter.lin\2.\3"),
    rename(rf"{_BLOCK}\.refine_Adapter\.conv\.0\.weight", r"\1.refine.conv.weight"),
    rename(rf"{_BLOCK}\.refine_Adapter\.conv\.1\.{WEIGHT}", r"\1.refine.norm.\2"),
    rename(rf"{_ENCODER}\.input_Adapter\.D_fc([12])\.{WEIGHT}", r"image_encoder.input_adapter.lin\1.\2"),
    rename(rf"{_ENCODER}\.post_pos_embed\.downs\.0\.maxpool_conv\.1\.weight", "image_encoder.pos_reduce.conv.weight"),
    rename(rf"{_ENCODER}\.post_pos_embed\.downs\.0\.maxpool_conv\.2\.{WEIGHT}", r"image_encoder.pos_reduce.norm.\1"),
    rename(rf"{_ENCODER}\.cnn_embed\.inc\.conv\.0\.weight", "image_encoder.cnn_stem.conv.weight"),
    rename(rf"{_ENCODER}\.cnn_embed\.inc\.conv\.1\.{WEIGHT}", r"image_encoder.cnn_stem.norm.\1"),
    rename(
        rf"{_ENCODER}\.cnn_embed\.downs\.([0-2])\.maxpool_conv\.1\.weight", r"image_encoder.cnn_stages.\1.conv.weight"
    ),
    rename(
        rf"{_ENCODER}\.cnn_embed\.downs\.([0-2])\.maxpool_conv\.2\.{WEIGHT}", r"image_encoder.cnn_stages.\1.norm.\2"
    ),
    *(dataclasses.replace(rule, targets=tuple(f"sam.{name}" for name in rule.targets)) for rule in SAM_RULES),
)
# Every name in an official file is used.
_NOTHING = r"(?!)"


def load_samus(weights: str) -> Samus:
    """Load SAMUS on the CPU, in eval mode.

    weights: the official file, a folder of ``save_samus``, ``random`` for random weights of full size or
    ``random-small`` for the sizes of ``SMALL``, both from torch's generator. Raises InputError for what is missing,
    unreadable or another model.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return Samus(SMALL if weights == RANDOM_SMALL else SamusConfig()).eval()
    path = Path(weights)
    if path.is_dir():
        return load_trained(path, _METHOD, SamusConfig, Samus, _OTHERWISE)
    return samus_from(require_kind(read_tensors(path), "SAMUS", path), path)


def start_from_sam(weights: str) -> Samus:
    """A SAMUS to be trained, on the CPU, in eval mode; what SAM does not have comes from torch's generator.

    weights: SAM ViT-B's official file, or ``random`` or ``random-small`` as for ``load_samus``. Raises InputError for a
    file that is missing, unreadable or another model.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return load_samus(weights)
    path = Path(weights)
    return samus_from_sam(require_kind(read_tensors(path), "SAM", path), path)


def samus_from(tensors: Tensors, path: Path, config: SamusConfig | None = None) -> Samus:
    """Build SAMUS, in eval mode, from the tensors of an official file.

    tensors: names and shapes as published, without ``module.`` before them, as ``read_tensors`` gives them. path: the
    file, for messages. config: of files of other sizes. Raises InputError where any tensor is missing, left over or of
    another shape.
    """
    model = Samus(config)
    fill(model, translate(tensors, RULES, _NOTHING, path), path)
    return model.eval()


def samus_from_sam(tensors: Tensors, path: Path, config: SamusConfig | None = None) -> Samus:
    """Build a SAMUS to be trained, in eval mode, from the tensors of SAM's official file, as the official code does.

    What both have is copied; the tables of relative positions of the global blocks, 127 x 64 in SAM, are resized
    bilinearly to 63 x 64; the rest is drawn from torch's generator. tensors, path, config, errors: as for
    ``samus_from``; SAM ViT-L and ViT-H do not fit.
    """
    model = Samus(config)
    own = model.state_dict()
    given = translate(tensors, RULES, _NOTHING, path)
    for name in resized_names(model) & given.keys():
        table = given[name].float()
        # a table of another width stays as it is, and is refused with its shape
        size = (len(own[name]), table.shape[-1])
        given[name] = F.interpolate(table[None, None], size, mode="bilinear")[0, 0]
    fill(model, {name: own[name] for name in added_names(model)} | given, path)
    return model.eval()


def save_samus(model: Samus, folder: Path) -> None:
    """Write a SAMUS that was trained here, with its sizes, into an existing folder; ``load_samus`` reads it."""
    save_trained(model, model.config, _METHOD, _NOTE, folder)
