"""Weights: a folder that was trained here, random ones, and a start from SAM for training."""

from __future__ import annotations

import re
from pathlib import Path

import torch
import torch.nn.functional as F

from gdinousam.errors import InputError
from gdinousam.methods.sam_medus.config import SMALL, SamMedUsConfig
from gdinousam.methods.sam_medus.network import SamMedUs
from gdinousam.methods.trained_folder import load_trained, save_trained
from gdinousam.models.checkpoints.keys import fill
from gdinousam.models.loading import RANDOM_SMALL, load_mask_head
from gdinousam.models.mask_heads.random_sam import RANDOM
from gdinousam.models.mask_heads.sam import SamMaskHead

_METHOD = "sam_medus"
_NOTE = "trained by gdinousam; an approximation from the paper's abstract, not the network of SAM-MedUS's authors"
_OTHERWISE = "give a folder that baselines/trainSamMedUS.py wrote: SAM-MedUS has no published weights"

_VIT = "model.vision_encoder.vit."
_TABLE = re.compile(r"layers\.\d+\.attn\.rel_pos_[hw]")  # of relative positions, (2 x side - 1, width of a head)


def load_sam_medus(weights: str) -> SamMedUs:
    """Load it on the CPU, in eval mode.

    weights: a folder of ``save_sam_medus``, ``random`` for random weights of full size or ``random-small`` for the
    sizes of ``SMALL``, both from torch's generator. Raises InputError for what is missing, unreadable or another model.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return SamMedUs(SMALL if weights == RANDOM_SMALL else SamMedUsConfig()).eval()
    path = Path(weights)
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; {_OTHERWISE}")
    return load_trained(path, _METHOD, SamMedUsConfig, SamMedUs, _OTHERWISE)


def save_sam_medus(model: SamMedUs, folder: Path) -> None:
    """Write what was trained here, with its sizes, into an existing folder; ``load_sam_medus`` reads it."""
    save_trained(model, model.config, _METHOD, _NOTE, folder)


def start_from_sam(weights: str) -> SamMedUs:
    """One to be trained, on the CPU, in eval mode; what SAM does not have comes from torch's generator.

    weights: SAM ViT-B's official file, a folder in transformers' format or a hub id; ``random`` or ``random-small`` as
    for ``load_sam_medus``. Raises InputError for weights that cannot be loaded or are another model.
    """
    if weights in (RANDOM, RANDOM_SMALL):
        return load_sam_medus(weights)
    head = load_mask_head(weights)
    if not isinstance(head, SamMaskHead):
        raise InputError(f"{weights} holds a SAM2 model; baseline.start of {_METHOD} names SAM ViT-B's weights")
    return sam_medus_from_sam(head, weights)


def sam_medus_from_sam(head: SamMaskHead, name: str, config: SamMedUsConfig | None = None) -> SamMedUs:
    """One to be trained, in eval mode, that gives what SAM gives at its image size.

    What both have is copied. SAM's positions are for larger images: those of tokens are resized bicubically, relative
    ones of global blocks linearly. name: of the weights, for messages. config: for a SAM of other sizes. Raises
    InputError for a SAM that does not fit.
    """
    model = SamMedUs(config)
    own = model.state_dict()
    given = {name_of_ours(name): tensor for name, tensor in head.state_dict().items()}
    for name_of, tensor in given.items():
        if name_of in own and own[name_of].shape != tensor.shape:
            given[name_of] = _resized(name_of.removeprefix(_VIT), tensor, own[name_of].shape)
    added = {name_of: tensor for name_of, tensor in own.items() if not is_of_sam(name_of)}
    fill(model, added | given, Path(name), "give SAM ViT-B's weights")
    return model.eval()


def name_of_ours(name: str) -> str:
    """The name of a tensor of ``SamMaskHead`` in ``SamMedUs``, whose joined encoder holds that of SAM."""
    return re.sub(r"^model\.vision_encoder\.", _VIT, name)


def is_of_sam(name: str) -> bool:
    """Whether SAM has the tensor of this name too; it lacks branch and joints."""
    return name.startswith(_VIT) or not name.startswith("model.vision_encoder.")


def _resized(name: str, tensor: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Positions for another image size; any other tensor as it is, to be refused with its name."""
    if name == "pos_embed" and tensor.shape[-1] == shape[-1]:
        positions = tensor.permute(0, 3, 1, 2)
        return F.interpolate(positions, shape[1:3], mode="bicubic", antialias=True).permute(0, 2, 3, 1)
    if _TABLE.fullmatch(name) and tensor.shape[-1] == shape[-1]:
        return F.interpolate(tensor.T[None], shape[0], mode="linear")[0].T
    return tensor
