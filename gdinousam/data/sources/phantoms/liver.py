"""Liver: even parenchyma, vessels, diaphragm; benign lesions are bright or cysts, malignant ones dark with halos."""

from __future__ import annotations

import numpy as np

from gdinousam.data.sources.phantoms.lesions import LesionKind, contrast_db, lesion_mask, num_targets
from gdinousam.data.sources.phantoms.scene import Points, Scene, blank_scene, filled, line_mask, rim
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import paint_abdominal_wall, smooth_noise
from gdinousam.records import Mask

BENIGN, MALIGNANT = PHRASES = ("benign liver lesion", "malignant liver lesion")
HAEMANGIOMA = LesionKind(BENIGN, contrast_db=(6.0, 11.0), aspect=(0.75, 1.1), loss_db=(-12.0, 0.0), roughness=0.05)
CYST = LesionKind(BENIGN, contrast_db=(-50.0, -44.0), aspect=(0.75, 1.1), loss_db=(-45.0, -30.0))
TUMOUR = LesionKind(MALIGNANT, contrast_db=(-15.0, -9.0), aspect=(0.7, 1.3), loss_db=(-6.0, 15.0), roughness=0.13)
KINDS = (HAEMANGIOMA, CYST, TUMOUR, TUMOUR)  # benign and malignant alike in number


def draw_liver(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw a liver from the abdominal wall to the diaphragm with up to two lesions, from left to right."""
    width = size_hw[1]
    scene = blank_scene(generator, size_hw, settings.attenuation_db)
    top = paint_abdominal_wall(scene, generator, generator.uniform(-3.0, 1.0))
    bottom = _paint_diaphragm(scene, generator)
    num_lesions = num_targets(generator, settings)
    kinds = [KINDS[generator.integers(len(KINDS))] for _ in range(num_lesions)]
    masks = []
    for index, kind in enumerate(kinds):
        strip = (width * index // num_lesions, width * (index + 1) // num_lesions)
        masks.append(lesion_mask(generator, kind, size_hw, strip, (top + 0.04, bottom), settings.radius))
    _paint_vessels(scene, generator, (top, bottom))
    for kind, mask in zip(kinds, masks, strict=True):
        _paint_lesion(scene, generator, kind, mask, settings)
        scene.instances.append((kind.phrase, mask))
    return scene


def _paint_diaphragm(scene: Scene, generator: np.random.Generator) -> float:
    """Draw the diaphragm as a bright arc with a darker mirror image below; returns its least depth in [0, 1]."""
    height, width = scene.size_hw
    depth, sag = generator.uniform(0.74, 0.9), generator.uniform(0.05, 0.22)
    middle = generator.uniform(-0.3, 1.3)  # column of its lowest point as a fraction of the width
    x = np.linspace(0.0, 1.0, 40)
    y = depth + sag - sag * (x - middle) ** 2 / max(middle, 1.0 - middle) ** 2
    arc: Points = np.stack([x * (width - 1), y * height], axis=1)
    below = np.concatenate([arc, [(width, 2.0 * height), (0.0, 2.0 * height)]])
    mask = filled(below, scene.size_hw)
    scene.fill(mask, -10.0, 3.0 * smooth_noise(generator, scene.size_hw, (9, 9)), loss_db=20.0)
    scene.line(arc, 15.0, thickness=int(generator.integers(2, 4)))
    return float(y.min()) - 0.03


def _paint_vessels(scene: Scene, generator: np.random.Generator, depths: tuple[float, float]) -> None:
    """Draw black branches without walls that run together (hepatic veins) and short ones with bright walls (portal)."""
    height, width = scene.size_hw
    top, bottom = depths[0] * height + 6.0, depths[1] * height
    meeting = np.array([generator.uniform(0.1, 0.9) * width, generator.uniform(0.75, 1.0) * bottom])
    for _ in range(generator.integers(1, 4)):
        end = np.array([generator.uniform(0.0, 1.0) * width, generator.uniform(top, 0.7 * bottom)])
        _paint_tube(scene, _bent(generator, meeting, end), int(generator.integers(2, 8)), wall_db=None)
    for _ in range(generator.integers(1, 4)):
        start = np.array([generator.uniform(0.05, 0.95) * width, generator.uniform(top, bottom)])
        direction = generator.uniform(0.0, np.pi)
        end = start + generator.uniform(0.05, 0.25) * width * np.array([np.cos(direction), 0.5 * np.sin(direction)])
        end[1] = np.clip(end[1], top, bottom)
        _paint_tube(scene, _bent(generator, start, end), int(generator.integers(1, 4)), wall_db=7.0)


def _bent(generator: np.random.Generator, start: np.ndarray, end: np.ndarray) -> Points:
    """Points of a gently bent line between two points."""
    along = np.linspace(0.0, 1.0, 20)[:, None]
    across = (end - start)[::-1] * (-1.0, 1.0) * generator.uniform(-0.2, 0.2)
    return np.asarray(start + along * (end - start) + 4.0 * along * (1.0 - along) * across)


def _paint_tube(scene: Scene, points: Points, thickness: int, wall_db: float | None) -> None:
    if wall_db is not None:
        scene.line(points, wall_db, thickness=thickness + 4)
    scene.fill(line_mask(points, scene.size_hw, thickness), -42.0, loss_db=-6.0)


def _paint_lesion(
    scene: Scene, generator: np.random.Generator, kind: LesionKind, mask: Mask, settings: PhantomSettings
) -> None:
    height, width = scene.size_hw
    grain = generator.uniform(0.6, 1.0 if kind is not TUMOUR else 2.5)
    texture_db = grain * smooth_noise(generator, scene.size_hw, (height // 8, width // 8))
    level_db = contrast_db(generator, kind.contrast_db, settings)
    scene.fill(mask, level_db, texture_db, loss_db=generator.uniform(*kind.loss_db))
    if kind is TUMOUR and generator.random() < 0.7:
        thickness = max(int(0.12 * np.sqrt(mask.sum())), 1)
        halo = rim(mask, thickness)
        scene.fill(halo, level_db - generator.uniform(4.0, 8.0), texture_db)
        if generator.random() < 0.4:  # a target: bright core in the dark ring
            scene.fill(mask & ~halo, level_db + generator.uniform(3.0, 6.0), texture_db)
