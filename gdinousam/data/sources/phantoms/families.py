"""The families of phantoms: one per organ, each with its phrases and the function that draws its scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from gdinousam.data.sources.phantoms import breast, kidney, liver, muscle, prostate, thyroid
from gdinousam.data.sources.phantoms.imaging import Phantom, draw_sector, happens, image_scene
from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.errors import InputError


class Family(NamedTuple):
    """One family.

    phrases: all that its targets may have. draw: makes a scene of (height, width). deep: whether the organ lies deep,
    so that convex probes are twice as usual. measured: whether targets may carry calipers.
    """

    phrases: tuple[str, ...]
    draw: Callable[[np.random.Generator, tuple[int, int], PhantomSettings], Scene]
    deep: bool = False
    measured: bool = True


_FAMILIES = {
    "breast": Family(breast.PHRASES, breast.draw_breast),
    "thyroid": Family(thyroid.PHRASES, thyroid.draw_thyroid),
    "kidney": Family(kidney.PHRASES, kidney.draw_kidney, deep=True),
    "prostate": Family(prostate.PHRASES, prostate.draw_prostate, deep=True),
    "liver": Family(liver.PHRASES, liver.draw_liver, deep=True),
    "muscle": Family(muscle.PHRASES, muscle.draw_muscle, deep=True, measured=False),  # crosses would give it away
}
FAMILIES = tuple(_FAMILIES)


def make_phantom(
    generator: np.random.Generator, settings: PhantomSettings | None = None, family: str = "breast"
) -> Phantom:
    """Draw one image; the same state of the generator gives the same image. ``None``: the default settings.

    family: one of ``FAMILIES``, else ``InputError``.
    """
    settings = settings or PhantomSettings()
    drawn = family_named(family)
    height = int(generator.integers(*settings.height_range, endpoint=True))
    width = int(generator.integers(*settings.width_range, endpoint=True))
    convex = min(2.0 * settings.convex, 1.0) if drawn.deep else settings.convex
    sector = draw_sector(generator, (height, width)) if happens(generator, convex) else None
    scene = drawn.draw(generator, (height, width) if sector is None else sector.beams_hw, settings)
    return image_scene(generator, scene, settings, sector, settings.calipers if drawn.measured else 0.0)


def phrases_of(family: str) -> tuple[str, ...]:
    """All phrases that the targets of a family may have; ``InputError`` for an unknown one."""
    return family_named(family).phrases


def family_named(name: str) -> Family:
    """The family of a name; ``InputError`` for an unknown one."""
    if name not in _FAMILIES:
        raise InputError(f"no family of phantoms is named {name!r}: choose from {', '.join(FAMILIES)}")
    return _FAMILIES[name]
