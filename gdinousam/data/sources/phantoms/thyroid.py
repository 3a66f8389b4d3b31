"""Thyroid, across the neck: strap muscles, lobes beside the trachea, carotids, and nodules within the lobes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdinousam.data.sources.phantoms.lesions import contrast_db, num_targets
from gdinousam.data.sources.phantoms.scene import Points, Scene, blank_scene, filled, placed, rim, unit_outline
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import paint_layers, rising_depths, smooth_noise, streaks

PHRASES = ("thyroid nodule",)
NODULE_LEVELS = ((-16.0, -9.0), (-2.0, 2.0), (6.0, 10.0))  # dB against the lobe: darker, alike, brighter
NODULE_CHANCES = (0.6, 0.2, 0.2)
HALO_DB = -22.0  # against the nodule; the beam is about as wide as the halo and fills it up by half


class Lobe(NamedTuple):
    """One thyroid lobe. center_xy, half_xy: in pixels. level_db: its echo strength. side: of the trachea, -1 or 1."""

    center_xy: tuple[float, float]
    half_xy: tuple[float, float]
    level_db: float
    side: int


def draw_thyroid(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw a neck with the trachea in the middle or at a side, one or two lobes and up to one nodule in each."""
    scene = blank_scene(generator, size_hw, settings.attenuation_db)
    top = _paint_neck(scene, generator)
    height, width = size_hw
    trachea_x = width * generator.choice((0.08, 0.5, 0.92)) + width * generator.uniform(-0.06, 0.06)
    lobes = _lobes(generator, size_hw, trachea_x, top)
    if len(lobes) == 2:
        _paint_isthmus(scene, generator, trachea_x, lobes)
    texture_db = 1.2 * smooth_noise(generator, size_hw, (height // 7, width // 7))
    for lobe in lobes:
        mask = filled(placed(unit_outline(generator, 0.05), lobe.center_xy, lobe.half_xy), size_hw)
        scene.fill(mask, lobe.level_db, texture_db)
        scene.fill(rim(mask, 1), lobe.level_db + 6.0)
        _paint_vessels(scene, generator, lobe)
    _paint_trachea(scene, generator, trachea_x, lobes)
    num_nodules = num_targets(generator, settings, most=len(lobes))
    for index in sorted(generator.permutation(len(lobes))[:num_nodules]):
        scene.instances.append((PHRASES[0], _paint_nodule(scene, generator, lobes[index], settings)))
    return scene


def _paint_neck(scene: Scene, generator: np.random.Generator) -> float:
    """Fill the scene with skin, fat, strap muscles and deep tissue; returns the depth in [0, 1] where lobes begin."""
    skin, fat, strap = rising_depths(generator, (0.02, 0.045), (0.03, 0.08), (0.06, 0.12))
    deep = generator.uniform(0.72, 0.85)
    layers = [(0.0, 12.0), (skin, -3.0), (fat, -10.0), (strap, -2.0), (deep, -9.0)]
    depth = paint_layers(scene, generator, layers, generator.uniform(0.01, 0.04), 7.0)
    fibres = streaks(generator, scene.size_hw, generator.uniform(-0.1, 0.1), 3.0, 40.0)
    scene.strength_db += np.where((depth < strap) | (depth > deep), 3.0, 2.0).astype(np.float32) * fibres
    return strap


def _lobes(generator: np.random.Generator, size_hw: tuple[int, int], trachea_x: float, top: float) -> list[Lobe]:
    """The lobes that lie in view, from left to right."""
    height, width = size_hw
    level_db = generator.uniform(1.0, 5.0)
    lobes = []
    for side in (-1, 1):
        room = width - trachea_x if side > 0 else trachea_x
        if room > 0.35 * width:
            half_width = room * generator.uniform(0.24, 0.29)
            half_height = min(height * generator.uniform(0.17, 0.26), 1.5 * half_width)
            center_x = trachea_x + side * (0.1 * width + 1.02 * half_width)
            center_y = height * (top + generator.uniform(0.0, 0.04)) + half_height
            lobes.append(Lobe((center_x, center_y), (half_width, half_height), level_db, side))
    return lobes


def _paint_isthmus(scene: Scene, generator: np.random.Generator, trachea_x: float, lobes: list[Lobe]) -> None:
    """Join two lobes by a band in front of the trachea."""
    level_y = float(np.mean([lobe.center_xy[1] - 0.55 * lobe.half_xy[1] for lobe in lobes]))
    half_xy = (0.17 * scene.size_hw[1], generator.uniform(0.025, 0.045) * scene.size_hw[0])
    scene.fill(filled(placed(unit_outline(generator), (trachea_x, level_y), half_xy), scene.size_hw), lobes[0].level_db)


def _paint_vessels(scene: Scene, generator: np.random.Generator, lobe: Lobe) -> None:
    """Draw the carotid beside a lobe, round and black with a bright wall, and now and then the flat jugular vein."""
    height, width = scene.size_hw
    radius = generator.uniform(0.045, 0.065) * min(height, width)
    x = lobe.center_xy[0] + lobe.side * (lobe.half_xy[0] + radius + 3.0)
    y = lobe.center_xy[1] + generator.uniform(-0.1, 0.5) * lobe.half_xy[1]
    circle = unit_outline(generator)
    scene.fill(filled(placed(circle, (x, y), (radius + 2.0, radius + 2.0)), scene.size_hw), 6.0)
    lumen = filled(placed(circle, (x, y), (radius, radius)), scene.size_hw)
    scene.fill(lumen, -46.0, loss_db=generator.uniform(-40.0, -20.0))
    if generator.random() < 0.4:
        half_xy = (radius * generator.uniform(1.0, 1.8), radius * generator.uniform(0.35, 0.6))
        place = (x + lobe.side * radius, y - radius - half_xy[1] - 4.0)
        vein = filled(placed(unit_outline(generator), place, half_xy), scene.size_hw)
        scene.fill(vein, -40.0, loss_db=-15.0)


def _paint_trachea(scene: Scene, generator: np.random.Generator, trachea_x: float, lobes: list[Lobe]) -> None:
    """Draw the front of the trachea as a bright arc; what lies behind is air: a shadow with fading repeats."""
    height, width = scene.size_hw
    half_width = generator.uniform(0.085, 0.11) * width
    front_y = float(np.mean([lobe.center_xy[1] - 0.35 * lobe.half_xy[1] for lobe in lobes]))
    angle = np.linspace(-1.25, 1.25, 60)
    front = np.stack([np.sin(angle), 1.0 - np.cos(angle)], axis=1)  # of radius 1, its highest point at the origin
    arc: Points = front * (half_width, half_width) + (trachea_x, front_y)
    shadow = np.concatenate([arc, [(arc[-1, 0], height + 9.0), (arc[0, 0], height + 9.0)]])
    scene.fill(filled(shadow, scene.size_hw), -14.0, loss_db=generator.uniform(25.0, 60.0))
    spacing = generator.uniform(0.06, 0.1) * height
    for repeat in range(generator.integers(2, 5)):
        scene.line(arc[12:-12] + (0.0, (repeat + 1) * spacing), 4.0 - 4.0 * repeat)
    scene.line(arc, 13.0, thickness=2)


def _paint_nodule(scene: Scene, generator: np.random.Generator, lobe: Lobe, settings: PhantomSettings) -> np.ndarray:
    """Draw a nodule within a lobe; returns its (H, W) bool mask, halo included."""
    height, width = scene.size_hw
    radius = generator.uniform(*settings.radius) * height
    aspect = generator.uniform(0.6, 1.35)
    half = radius * np.array([1.0 / np.sqrt(aspect), np.sqrt(aspect)])
    share = min(float(max(half / lobe.half_xy)), 0.92)  # of the lobe; a larger nodule is made smaller
    half *= share / max(half / lobe.half_xy)
    direction, reach = generator.uniform(0.0, 2.0 * np.pi), np.sqrt(generator.random()) * (0.95 - share)
    center = np.array(lobe.center_xy) + reach * np.array(lobe.half_xy) * (np.cos(direction), np.sin(direction))
    roughness = generator.choice((0.02, 0.12))
    outline = placed(unit_outline(generator, roughness), (center[0], center[1]), (half[0], half[1]))
    mask = filled(outline, scene.size_hw)
    kind = int(generator.choice(3, p=NODULE_CHANCES))
    kind = 0 if half.min() < 9.0 and kind == 1 else kind  # a halo needs room
    level_db = lobe.level_db + contrast_db(generator, NODULE_LEVELS[kind], settings)
    texture_db = generator.uniform(0.8, 2.5) * smooth_noise(generator, scene.size_hw, (height // 6, width // 6))
    scene.fill(mask, level_db, texture_db, loss_db=generator.uniform(-12.0, 12.0))
    if kind == 1 or generator.random() < 0.25:  # a nodule like its lobe shows by its halo only
        scene.fill(rim(mask, max(round(0.15 * float(half.min())), 1)), level_db + HALO_DB)
    if half.min() > 12.0 and generator.random() < 0.25:
        place = center + generator.uniform(-0.3, 0.3, 2) * half
        cyst = filled(placed(unit_outline(generator, 0.05), (place[0], place[1]), tuple(0.4 * half)), scene.size_hw)
        scene.fill(cyst & mask, -40.0, loss_db=-30.0)
    if generator.random() < 0.25:
        _paint_calcifications(scene, generator, mask)
    return mask


def _paint_calcifications(scene: Scene, generator: np.random.Generator, mask_hw: np.ndarray) -> None:
    """Scatter a few bright points over a mask."""
    rows, columns = np.nonzero(mask_hw)
    chosen = generator.integers(len(rows), size=generator.integers(3, 9))
    scene.strength_db[rows[chosen], columns[chosen]] = 20.0
