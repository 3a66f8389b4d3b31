"""Breast: skin, fat and fibrous glandular tissue with lesions of four kinds."""

from __future__ import annotations

import numpy as np

from gdinousam.data.sources.phantoms.lesions import LesionKind, contrast_db, lesion_mask, num_targets
from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import smooth_noise
from gdinousam.data.speckle import FloatMap

LESION_KINDS = (
    LesionKind("cyst", contrast_db=(-50.0, -44.0), aspect=(0.75, 1.0), loss_db=(-45.0, -30.0)),
    LesionKind("benign lesion", contrast_db=(-15.0, -12.0), aspect=(0.5, 0.72), loss_db=(-4.0, 4.0)),
    LesionKind(
        "malignant lesion",
        contrast_db=(-21.0, -16.0),
        aspect=(1.2, 1.6),
        loss_db=(35.0, 60.0),
        roughness=0.16,
        num_spicules=(0, 9),
    ),
    LesionKind("bright lesion", contrast_db=(11.0, 14.0), aspect=(0.6, 1.0), loss_db=(0.0, 8.0), roughness=0.04),
)
PHRASES = tuple(kind.phrase for kind in LESION_KINDS)
DEPTHS = (0.16, 0.74)  # of lesions: below the skin, with room to see a shadow or enhancement


def draw_breast(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw layered tissue with up to two lesions side by side, from left to right; their masks do not touch."""
    height, width = size_hw
    strength_db = _tissue_db(generator, size_hw)
    loss_db = np.full(size_hw, generator.uniform(*settings.attenuation_db), dtype=np.float32)
    scene = Scene(strength_db, loss_db)
    num_lesions = num_targets(generator, settings)
    for index in range(num_lesions):
        kind = LESION_KINDS[generator.integers(len(LESION_KINDS))]
        strip = (width * index // num_lesions, width * (index + 1) // num_lesions)
        mask = lesion_mask(generator, kind, size_hw, strip, DEPTHS, settings.radius)
        texture_db = smooth_noise(generator, size_hw, (height // 6, width // 6))
        strength_db[mask] = contrast_db(generator, kind.contrast_db, settings) + texture_db[mask]
        loss_db[mask] += generator.uniform(*kind.loss_db)
        scene.instances.append((kind.phrase, mask))
    return scene


def _tissue_db(generator: np.random.Generator, size_hw: tuple[int, int]) -> FloatMap:
    """Draw the echo strength of breast-like tissue: bright skin, darker fat, then glandular tissue with fibres."""
    height, width = size_hw
    depth = np.arange(height, dtype=np.float32)[:, None] / height
    bend = 0.04 * smooth_noise(generator, (1, width), (1, 5))  # the layers undulate, the skin lies flat on the probe
    layer_depth = depth + bend * np.minimum(depth / 0.25, 1.0)
    skin, fat = generator.uniform(0.025, 0.05), generator.uniform(0.12, 0.22)
    strength_db = np.where(layer_depth < fat, -6.0, 0.0) + np.where(layer_depth < skin, 15.0, 0.0)
    strength_db += 7.0 * np.exp(-(((layer_depth - fat) / 0.012) ** 2))  # the fascia below the fat
    fibres = smooth_noise(generator, size_hw, (height // 5, 6))
    rows = np.clip(np.rint(layer_depth * height), 0, height - 1).astype(np.intp)
    fibres = np.take_along_axis(fibres, rows, axis=0)
    strength_db += 1.5 * fibres + 5.0 * np.maximum(fibres - 0.8, 0.0)  # few, thin and clearly brighter
    strength_db += 1.8 * smooth_noise(generator, size_hw, (8, 7))
    return strength_db.astype(np.float32)
