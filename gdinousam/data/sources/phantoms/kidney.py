"""Kidney, lengthwise: capsule, cortex, dark pyramids of the medulla round a bright central echo complex."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from gdinousam.data.sources.phantoms.lesions import num_targets
from gdinousam.data.sources.phantoms.scene import Points, Scene, blank_scene, filled, placed, unit_outline
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import paint_abdominal_wall, smooth_noise
from gdinousam.records import Mask

CAPSULE, CENTER, CORTEX = PHRASES = ("kidney capsule", "kidney central echo complex", "kidney cortex")
PYRAMID_BASE = 0.8  # distance of a pyramid's base from the centre, the capsule at 1


class Place(NamedTuple):
    """Where the kidney lies. center_xy, half_xy: in pixels. tilt: in radians, clockwise."""

    center_xy: tuple[float, float]
    half_xy: tuple[float, float]
    tilt: float

    def points(self, unit_xy: Points) -> Points:
        """Points of the kidney's own measure, in which it spans [-1, 1], in pixels."""
        return placed(unit_xy, self.center_xy, self.half_xy, self.tilt)


def draw_kidney(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw a kidney below the abdominal wall and beside the liver.

    Its capsule contains cortex and central echo complex, which do not overlap. The pyramids of the medulla are drawn
    and are not objects: each is a few speckles wide.
    """
    height, width = size_hw
    scene = blank_scene(generator, size_hw, settings.attenuation_db)
    top = paint_abdominal_wall(scene, generator, generator.uniform(-3.0, 1.0))
    half_width = generator.uniform(0.32, 0.45) * width
    half_height = min(generator.uniform(0.52, 0.66) * half_width, 0.33 * height)
    tilt = generator.uniform(-0.3, 0.3)
    reach = float(np.hypot(half_height * np.cos(tilt), half_width * np.sin(tilt)))  # half the height when tilted
    lowest, highest = height * (top + 0.02) + reach, 0.96 * height - reach
    center_x = width * 0.5 + generator.uniform(-1.0, 1.0) * (0.48 * width - half_width)
    center_y = generator.uniform(min(lowest, highest), highest)
    place = Place((center_x, center_y), (half_width, half_height), tilt)
    _paint_fat(scene, generator, place)
    if num_targets(generator, settings, most=1):
        _paint_kidney(scene, generator, place)
    _paint_rib(scene, generator)
    return scene


def _paint_fat(scene: Scene, generator: np.random.Generator, place: Place) -> None:
    """Draw the fat round a kidney, bounded by a bright line."""
    height, width = scene.size_hw
    larger = place._replace(half_xy=(1.16 * place.half_xy[0], 1.3 * place.half_xy[1]))
    fat = larger.points(unit_outline(generator, 0.1))
    scene.fill(filled(fat, scene.size_hw), generator.uniform(2.0, 6.0))
    scene.line(fat, 8.0, closed=True)
    scene.strength_db += 1.5 * smooth_noise(generator, scene.size_hw, (height // 10, width // 14))


def _paint_kidney(scene: Scene, generator: np.random.Generator, place: Place) -> None:
    """Draw the structures and add capsule, central echo complex and cortex to the objects of the scene."""
    size_hw = scene.size_hw
    capsule_xy = place.points(unit_outline(generator, 0.04))
    central_unit = unit_outline(generator, 0.12) * generator.uniform((0.44, 0.34), (0.58, 0.46))
    capsule, central = filled(capsule_xy, size_hw), filled(place.points(central_unit), size_hw)
    cortex_db = generator.uniform(-8.0, -3.0)
    texture_db = smooth_noise(generator, size_hw, (size_hw[0] // 6, size_hw[1] // 6))
    scene.fill(capsule, cortex_db, texture_db)
    pyramids = [filled(place.points(unit), size_hw) & ~central for unit in _pyramids(generator, central_unit)]
    for pyramid in pyramids:
        scene.fill(pyramid, cortex_db - generator.uniform(9.0, 14.0), texture_db)
    clefts_db = 4.0 * smooth_noise(generator, size_hw, (size_hw[0] // 8, size_hw[1] // 8))
    scene.fill(central, generator.uniform(4.0, 8.0), np.minimum(clefts_db, 4.0), loss_db=generator.uniform(0.0, 15.0))
    scene.line(capsule_xy, 9.0, closed=True)
    cortex = _largest_part(capsule & ~central & ~np.logical_or.reduce(pyramids))
    scene.instances += [(CAPSULE, capsule), (CENTER, central), (CORTEX, cortex)]


def _pyramids(generator: np.random.Generator, central_unit: Points) -> list[Points]:
    """Outlines of the pyramids in the kidney's own measure: base below the cortex, tip at the central echo complex."""
    num_places = int(generator.integers(6, 9))
    first = generator.uniform(0.0, 2.0 * np.pi)
    hilum = generator.uniform(0.0, 2.0 * np.pi)  # where vessels enter there are none
    center_angle = np.arctan2(central_unit[:, 1], central_unit[:, 0])
    center_radius = np.hypot(central_unit[:, 0], central_unit[:, 1])
    pyramids = []
    for index in range(num_places):
        angle = first + 2.0 * np.pi * (index + generator.uniform(-0.12, 0.12)) / num_places
        away = np.angle(np.exp(1j * (angle - hilum)))
        if abs(away) < np.pi / num_places:
            continue
        half = generator.uniform(0.3, 0.38) * 2.0 * np.pi / num_places
        tip = center_radius[np.abs(np.angle(np.exp(1j * (center_angle - angle)))).argmin()] + 0.03
        base = PYRAMID_BASE * generator.uniform(0.95, 1.02)
        fan = np.linspace(-1.0, 1.0, 15)
        radius = np.concatenate([base * (1.0 - 0.07 * fan**2), [tip]])
        angles = angle + half * np.concatenate([fan, [0.0]])
        pyramids.append(np.stack([radius * np.cos(angles), radius * np.sin(angles)], axis=1))
    return pyramids


def _largest_part(mask_hw: Mask) -> Mask:
    """The largest connected part of a mask."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask_hw.astype(np.uint8), connectivity=8)
    return np.asarray(labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax())


def _paint_rib(scene: Scene, generator: np.random.Generator) -> None:
    """Now and then let a rib at the side take the sound away from the beams below it, in part."""
    if generator.random() < 0.35:
        width = scene.size_hw[1]
        half = int(generator.uniform(0.03, 0.07) * width)
        column = int(generator.uniform(0.0, 0.2) * width)
        column = column if generator.random() < 0.5 else width - 1 - column
        scene.loss_db[:, max(column - half, 0) : column + half] += np.float32(generator.uniform(10.0, 25.0))
