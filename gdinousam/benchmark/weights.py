"""Which weights are timed: the bundled small model, random ones of full size, or those of the official models."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import torch
from torch import nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, Sam2Config, Sam2Model

from gdinousam.models.checkpoints.grounding_dino import official_tokenizer
from gdinousam.models.loading import SMALL, trained_resize
from gdinousam.models.mask_heads.random_sam import reset_plain_layers
from benchmarks.parity.official_grounding_dino import write_vocabulary
from gdinousam.seeding import torch_seed

SizeName = Literal["small", "full"]
FULL_SIDE = 800  # of the paper (section 2.1); what the official resize leaves as it is


def detector_side(size: SizeName) -> int:
    """Side in pixels of the square that the detector sees."""
    return trained_resize(SMALL).size if size == "small" else FULL_SIDE


def about_weights(size: SizeName, sam2: str | None = None) -> str:
    """A sentence about the weights. sam2: size of the mask head, ``None`` where only a detector is timed."""
    if size == "small":
        return "Weights: the bundled small model."
    mask_head = "" if sam2 is None else f" and SAM2.1 {sam2}"
    return f"Weights: random ones of full size, Grounding DINO Swin-T{mask_head}, the same for all programs."


def detector_weights(size: SizeName, folder: Path, official: nn.Module | None = None) -> str:
    """The name of a detector that our loaders take. official: the model whose weights it is to have.

    folder: existing; gets the weights where they are not bundled. It holds ``write_vocabulary`` where there is an
    official model. Without one, random weights are transformers' and of its default sizes, those of Swin-T.
    """
    if size == "small":
        return SMALL
    if official is not None:
        return _saved(official, folder / "official_grounding_dino.pth")
    detector = folder / "detector"
    with torch_seed(0):
        GroundingDinoForObjectDetection(GroundingDinoConfig(dropout=0.0)).save_pretrained(detector)
    write_vocabulary(folder)
    official_tokenizer(folder / "vocab.txt").save_pretrained(detector)
    return str(detector)


def mask_head_weights(size: SizeName, folder: Path, official: nn.Module | None = None) -> str:
    """The same for a SAM2; random ones are of transformers' default sizes, those of SAM2.1 tiny."""
    if size == "small":
        return SMALL
    if official is not None:
        return _saved(official, folder / "official_sam2.pt")
    mask_head = folder / "mask_head"
    with torch_seed(0):
        sam2 = Sam2Model(Sam2Config())
        reset_plain_layers(sam2)
        sam2.save_pretrained(mask_head)
    return str(mask_head)


def _saved(model: nn.Module, path: Path) -> str:
    """Write a model as its authors publish it, for our loaders."""
    torch.save({"model": model.state_dict()}, path)
    return str(path)
