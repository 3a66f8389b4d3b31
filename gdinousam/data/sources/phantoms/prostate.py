"""Prostate: through the abdomen below the full bladder, or from the rectum with the probe against the gland."""

from __future__ import annotations

import numpy as np

from gdinousam.data.sources.phantoms.lesions import num_targets
from gdinousam.data.sources.phantoms.scene import Scene, blank_scene, filled, placed, rim, unit_outline
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import paint_abdominal_wall, paint_layers, rising_depths, smooth_noise
from gdinousam.records import Mask

PHRASES = ("prostate",)


def draw_prostate(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw one of the two views with at most one gland."""
    scene = blank_scene(generator, size_hw, settings.attenuation_db)
    draw = _draw_abdominal if generator.random() < 0.5 else _draw_rectal
    draw(scene, generator, bool(num_targets(generator, settings, most=1)))
    return scene


def _draw_abdominal(scene: Scene, generator: np.random.Generator, with_gland: bool) -> None:
    """Bladder, black and wide, above the gland."""
    height, width = scene.size_hw
    top = paint_abdominal_wall(scene, generator, generator.uniform(0.0, 3.0))
    scene.strength_db += 2.0 * smooth_noise(generator, scene.size_hw, (12, 9))
    bladder_half = (generator.uniform(0.25, 0.42) * width, generator.uniform(0.11, 0.17) * height)
    center_x = width * generator.uniform(0.42, 0.58)
    bladder_y = (top + 0.02) * height + bladder_half[1]
    bladder_unit = unit_outline(generator, 0.06)
    center_y = bladder_y + bladder_half[1]
    half_xy = _gland_size(generator, (0.14, 0.25), scene.size_hw, room=0.95 * height - center_y)
    gland_xy = (center_x + generator.uniform(-0.06, 0.06) * width, center_y + 0.86 * half_xy[1])
    wall_half = (bladder_half[0] + 3.0, bladder_half[1] + 3.0)
    scene.fill(filled(placed(bladder_unit, (center_x, bladder_y), wall_half), scene.size_hw), 6.0)
    if with_gland:  # before the bladder, which it lifts a little
        scene.instances.append((PHRASES[0], _paint_gland(scene, generator, gland_xy, half_xy)))
    lumen = filled(placed(bladder_unit, (center_x, bladder_y), bladder_half), scene.size_hw)
    if with_gland:
        lumen &= ~scene.instances[0][1]
    scene.fill(lumen, -46.0, loss_db=generator.uniform(-30.0, -12.0))


def _draw_rectal(scene: Scene, generator: np.random.Generator, with_gland: bool) -> None:
    """Rectal wall at the probe, then the gland with its brighter peripheral zone next to the probe."""
    height, width = scene.size_hw
    mucosa, muscle = rising_depths(generator, (0.015, 0.035), (0.02, 0.05))
    layers = [(0.0, 6.0), (mucosa, -12.0), (muscle, generator.uniform(0.0, 4.0))]
    paint_layers(scene, generator, layers, generator.uniform(0.01, 0.03), 7.0)
    scene.strength_db += 2.5 * smooth_noise(generator, scene.size_hw, (14, 12))
    half_xy = _gland_size(generator, (0.2, 0.36), scene.size_hw, room=0.92 * height - muscle * height)
    center_xy = (width * generator.uniform(0.42, 0.58), (muscle + generator.uniform(0.01, 0.06)) * height + half_xy[1])
    far_y = center_xy[1] + 1.35 * half_xy[1]
    if generator.random() < 0.5 and far_y < 0.85 * height:  # the bladder, behind the gland
        place, half = (center_xy[0], far_y + 0.08 * height), (generator.uniform(0.15, 0.35) * width, 0.07 * height)
        scene.fill(filled(placed(unit_outline(generator, 0.1), place, half), scene.size_hw), -44.0, loss_db=-10.0)
    if with_gland:
        mask = _paint_gland(scene, generator, center_xy, half_xy)
        scene.instances.append((PHRASES[0], mask))
        inner = (center_xy[0], center_xy[1] + 0.22 * half_xy[1])
        zone = filled(
            placed(unit_outline(generator, 0.06), inner, (0.75 * half_xy[0], 0.7 * half_xy[1])), scene.size_hw
        )
        scene.strength_db[zone & mask] -= generator.uniform(2.0, 5.0)
    scene.probe_below = bool(generator.random() < 0.5)


def _gland_size(
    generator: np.random.Generator, half_width: tuple[float, float], size_hw: tuple[int, int], room: float
) -> tuple[float, float]:
    """Half width and half height of a gland in pixels; no higher than the room."""
    across = generator.uniform(*half_width) * size_hw[1]
    return across, min(across * generator.uniform(0.62, 0.9), room / 2)


def _paint_gland(
    scene: Scene, generator: np.random.Generator, center_xy: tuple[float, float], half_xy: tuple[float, float]
) -> Mask:
    """Draw a rounded gland with a bright capsule; returns its (H, W) bool mask."""
    height, width = scene.size_hw
    mask = filled(placed(unit_outline(generator, 0.05), center_xy, half_xy), scene.size_hw)
    level_db = generator.uniform(-8.0, -3.5)
    scene.fill(mask, level_db, 1.6 * smooth_noise(generator, scene.size_hw, (height // 10, width // 10)))
    scene.fill(rim(mask, 1), generator.uniform(4.0, 9.0))
    if generator.random() < 0.4:  # calcifications along the middle
        num_points = int(generator.integers(4, 14))
        offsets = generator.normal(0.0, 0.12, (num_points, 2)) * half_xy
        columns, rows = np.rint(offsets + center_xy).astype(int).T
        scene.strength_db[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)] = 18.0
    return mask
