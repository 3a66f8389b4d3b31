"""Lesions: kinds that a reader can tell apart, and where they may lie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gdinousam.data.sources.phantoms.scene import filled, unit_outline
from gdinousam.data.sources.phantoms.settings import PhantomSettings, Range
from gdinousam.records import Mask


@dataclass(frozen=True)
class LesionKind:
    """How the lesions that one phrase names look; ranges are drawn from uniformly.

    phrase: the text. contrast_db: echo strength against the tissue. aspect: height / width of the box.
    loss_db: loss within the lesion in decibels per image height, negative for a bright band behind it.
    roughness: amplitude of the harmonics that bend the outline, as a fraction of the radius.
    num_spicules: lowest and highest number of spikes on the outline.
    """

    phrase: str
    contrast_db: Range
    aspect: Range
    loss_db: Range
    roughness: float = 0.0
    num_spicules: tuple[int, int] = (0, 0)


def num_targets(generator: np.random.Generator, settings: PhantomSettings, most: int = 2) -> int:
    """How many targets an image has: none, one or two, by the settings' probabilities, but no more than ``most``."""
    if settings.empty and generator.random() < settings.empty:
        return 0
    return 2 if generator.random() < settings.two_lesions and most > 1 else 1


def contrast_db(generator: np.random.Generator, levels_db: Range, settings: PhantomSettings) -> float:
    """Draw the echo strength of a lesion against its tissue, in decibels, out of the range of its kind."""
    level_db = generator.uniform(*levels_db)
    return level_db if settings.contrast == (1.0, 1.0) else level_db * generator.uniform(*settings.contrast)


def lesion_mask(
    generator: np.random.Generator,
    kind: LesionKind,
    size_hw: tuple[int, int],
    strip: tuple[int, int],
    depths: Range,
    radius: Range,
) -> Mask:
    """Draw the (H, W) mask of a lesion of the kind, with tissue left round it on all sides.

    strip: columns between which it lies. depths: rows between which it lies, as fractions of the height. radius: as in
    ``PhantomSettings``; a lesion that does not fit is made smaller.
    """
    margin = 5.0  # pixels between a lesion and the edge of its strip
    top, bottom = depths[0] * size_hw[0], depths[1] * size_hw[0]
    aspect = generator.uniform(*kind.aspect)
    half_height = generator.uniform(*radius) * size_hw[0] * np.sqrt(aspect)
    half_height = min(half_height, (bottom - top) / 2, aspect * ((strip[1] - strip[0]) / 2 - margin))
    half_width = half_height / aspect
    center_x = _between(generator, strip[0] + margin + half_width, strip[1] - margin - half_width)
    center_y = _between(generator, top + half_height, bottom - half_height)
    unit_xy = unit_outline(generator, kind.roughness, kind.num_spicules)
    return filled(unit_xy * (half_width, half_height) + (center_x, center_y), size_hw)


def _between(generator: np.random.Generator, low: float, high: float) -> float:
    """Draw from a range; where a lesion fills its place, rounding may leave ``high`` a little below ``low``."""
    return generator.uniform(low, max(low, high))
