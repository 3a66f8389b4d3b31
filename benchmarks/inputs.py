"""What programs are timed on: generated images, distinct prompts, and a training batch of both."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import PIL.Image
import torch

from gdinousam.data.dataset import Batch, Example
from gdinousam.data.masks import tight_box_xyxy
from gdinousam.data.sources.phantoms import Phantom, PhantomSettings, make_phantom, phrases_of
from gdinousam.geometry import boxes_cxcywh_norm, image_to_tensor, normalize_image, pad_images
from gdinousam.models.small import small_vocabulary
from gdinousam.seeding import derived_seed

MAX_WORDS = 4
_SHORTEST_WORD = 3  # letters; shorter entries of the vocabulary are single characters, "a", "in" and "of"
_FAMILY = "breast"


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


def _example(phantom: Phantom, phrases: tuple[str, ...]) -> Example:
    boxes_xyxy = [tight_box_xyxy(mask) for _, mask in phantom.instances]
    return Example(
        pixel_values=normalize_image(image_to_tensor(phantom.image)),
        boxes_cxcywh_norm=boxes_cxcywh_norm(torch.tensor(boxes_xyxy), phantom.image.shape[:2]),
        phrases=phrases,
        phrase_indices=torch.tensor([phrases.index(phrase) for phrase, _ in phantom.instances]),
        masks=None,
    )
