"""What is timed: generated images, distinct prompts, a training batch and a test set of them, and weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image
import torch
from torch import nn
from transformers import GroundingDinoConfig, GroundingDinoForObjectDetection, Sam2Config, Sam2Model

from benchmarks.parity.official_grounding_dino import write_vocabulary
from gdinousam.data.dataset import Batch, Example
from gdinousam.data.masks import tight_box_xyxy
from gdinousam.data.sources.phantoms import (
    FAMILIES,
    Phantom,
    PhantomSettings,
    make_phantom,
    phrases_of,
    write_phantoms,
)
from gdinousam.errors import InputError
from gdinousam.models.bundled import SMALL
from gdinousam.models.checkpoints.grounding_dino import official_tokenizer
from gdinousam.models.loading import trained_resize
from gdinousam.models.mask_heads.random_sam import reset_plain_layers
from gdinousam.models.small import small_vocabulary
from gdinousam.preprocessing import boxes_cxcywh_norm, image_to_tensor, normalize_image, pad_images
from gdinousam.runtime import derived_seed, torch_seed

MAX_WORDS = 4
_SHORTEST_WORD = 3  # letters; shorter entries of the vocabulary are single characters, "a", "in" and "of"
_FAMILY = "breast"

SizeName = Literal["small", "full"]  # the bundled small model, or random weights of full size
FULL_SIDE = 800  # of the paper (section 2.1); what the official resize leaves as it is


def draw_phantoms(count: int, side: int, seed: int) -> list[Phantom]:
    """So many generated images of (side, side, 3) uint8 with their targets; image i depends on the seed and i alone."""
    settings = PhantomSettings(height_range=(side, side), width_range=(side, side))
    generators = [np.random.default_rng(derived_seed("benchmark", seed, index)) for index in range(count)]
    return [make_phantom(generator, settings, _FAMILY) for generator in generators]


def write_images(folder: Path, count: int, side: int, seed: int = 0) -> list[Path]:
    """Write ``draw_phantoms`` as PNG files into an existing folder; returns their paths."""
    paths = [folder / f"{index:04d}.png" for index in range(count)]
    for path, phantom in zip(paths, draw_phantoms(count, side, seed), strict=True):
        PIL.Image.fromarray(phantom.image).save(path)
    return paths


def distinct_phrases(count: int, seed: int = 0) -> tuple[str, ...]:
    """So many different phrases of one to four words, taking turns, each word one token of the small vocabulary."""
    words = [entry for entry in small_vocabulary() if entry.isalpha() and len(entry) >= _SHORTEST_WORD]
    chooser = random.Random(derived_seed("phrases", seed))
    phrases: dict[str, None] = {}
    while len(phrases) < count:
        num_words = 1 + len(phrases) % MAX_WORDS
        phrases[" ".join(chooser.sample(words, num_words))] = None
    return tuple(phrases)


def training_batch(count: int, side: int, seed: int = 0) -> Batch:
    """``draw_phantoms`` with their boxes as a batch that nothing is padded in.

    The caption of every image lists all phrases of its family: with unequal captions the official text layers give
    images each other's masks, and no two programs could be compared.
    """
    phrases = phrases_of(_FAMILY)
    examples = tuple(_example(phantom, phrases) for phantom in draw_phantoms(count, side, seed))
    pixel_values, pixel_mask = pad_images([example.pixel_values for example in examples])
    return Batch(pixel_values, pixel_mask, examples)


def write_test_set(folder: Path, count: int) -> Path:
    """Draw so many test images of all families of phantoms into ``data`` in a new or empty folder; returns ``data``.

    Raises InputError for a folder in use.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; give a new folder")
    data = folder / "data"
    write_phantoms(data, 0, 0, count, families=tuple(FAMILIES))
    return data


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


def _example(phantom: Phantom, phrases: tuple[str, ...]) -> Example:
    boxes_xyxy = [tight_box_xyxy(mask) for _, mask in phantom.instances]
    return Example(
        pixel_values=normalize_image(image_to_tensor(phantom.image)),
        boxes_cxcywh_norm=boxes_cxcywh_norm(torch.tensor(boxes_xyxy), phantom.image.shape[:2]),
        phrases=phrases,
        phrase_indices=torch.tensor([phrases.index(phrase) for phrase, _ in phantom.instances]),
        masks=None,
    )


def _saved(model: nn.Module, path: Path) -> str:
    """Write a model as its authors publish it, for our loaders."""
    torch.save({"model": model.state_dict()}, path)
    return str(path)
