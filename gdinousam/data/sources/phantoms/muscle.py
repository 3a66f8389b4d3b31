"""Back muscles across the spine: the multifidus between spine, lamina and the erector spinae, which looks alike.

The muscle shows by the run of its fibres and thin fasciae only; bone, fat and the other muscle stand out as much.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from gdinousam.data.sources.phantoms.lesions import num_targets
from gdinousam.data.sources.phantoms.scene import Points, Scene, blank_scene, filled, placed, unit_outline
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import paint_layers, smooth_noise, streaks
from gdinousam.records import Mask

PHRASES = ("multifidus muscle",)
FADING = 4.0  # decibels; a fascia shows in places only
GAP = 0.03  # between the spine's middle and the muscle, as a fraction of the width


class Muscle(NamedTuple):
    """One muscle beside the spine. center_xy, half_xy: in pixels. side: of the spine, -1 or 1."""

    center_xy: tuple[float, float]
    half_xy: tuple[float, float]
    side: int


def draw_muscle(generator: np.random.Generator, size_hw: tuple[int, int], settings: PhantomSettings) -> Scene:
    """Draw the back with the spine near one side or, for two muscles, in the middle."""
    height, width = size_hw
    scene = blank_scene(generator, size_hw, settings.attenuation_db)
    fascia = _paint_back(scene, generator)
    num_muscles = num_targets(generator, settings)
    both = num_muscles == 2
    first_side = int(generator.choice((-1, 1)))
    spine_x = width * (generator.uniform(0.46, 0.54) if both else 0.5 - first_side * generator.uniform(0.2, 0.42))
    half_width = generator.uniform(0.1, 0.13 if both else 0.175) * np.sqrt(height * width)
    half_width = min(half_width, 0.22 * width)  # two of them side by side, with the spine between
    half_height = generator.uniform(0.08, 0.17) * height
    top = fascia * height + generator.uniform(0.01, 0.05) * height
    for side in (-1, 1):
        center_xy = (spine_x + side * (GAP * width + half_width), top + half_height)
        muscle = Muscle(center_xy, (half_width, half_height), side)
        _paint_erector(scene, generator, muscle)
        if both or (num_muscles and side == first_side):
            scene.instances.append((PHRASES[0], _paint_multifidus(scene, generator, muscle)))
        _paint_lamina(scene, generator, spine_x, muscle)
    _paint_spinous_process(scene, generator, spine_x, top)
    _paint_deep_bones(scene, generator, top + 2.2 * half_height)
    return scene


def _paint_back(scene: Scene, generator: np.random.Generator) -> float:
    """Fill the scene with skin, fat with bright septa, and muscle below a fascia; returns the fascia's depth."""
    height = scene.size_hw[0]
    skin, fascia = generator.uniform(0.02, 0.045), generator.uniform(0.14, 0.3)
    layers = [(0.0, 12.0), (skin, -7.0), (fascia, -8.0)]
    depth = paint_layers(scene, generator, layers, generator.uniform(0.01, 0.04), 10.0)
    septa = smooth_noise(generator, scene.size_hw, (height // 8, 6))
    fibres = streaks(generator, scene.size_hw, generator.uniform(-0.25, 0.25), 3.5, 50.0)
    scene.strength_db += np.where(depth < fascia, 3.0 * np.maximum(septa, 0.0) ** 2, 3.0 * fibres).astype(np.float32)
    scene.strength_db += 1.5 * smooth_noise(generator, scene.size_hw, (7, 6))
    return float(fascia)


def _paint_erector(scene: Scene, generator: np.random.Generator, muscle: Muscle) -> None:
    """Draw the erector spinae, one or two bellies lateral to the multifidus with coarser fibres."""
    width = scene.size_hw[1]
    x = muscle.center_xy[0] + muscle.side * (muscle.half_xy[0] + 2.0)
    for _ in range(generator.integers(1, 3)):
        half_xy = (generator.uniform(0.1, 0.2) * width, muscle.half_xy[1] * generator.uniform(0.8, 1.4))
        center_xy = (x + muscle.side * half_xy[0], muscle.center_xy[1] + generator.uniform(-0.1, 0.3) * half_xy[1])
        belly = placed(unit_outline(generator, 0.07), center_xy, half_xy)
        fibres = streaks(generator, scene.size_hw, generator.uniform(-1.0, 1.0), generator.uniform(3.0, 6.0), 25.0)
        scene.fill(filled(belly, scene.size_hw), generator.uniform(-10.0, -4.0), 3.5 * fibres)
        scene.line(belly, generator.uniform(0.0, 6.0), FADING * fibres, closed=True)
        x += muscle.side * (2.0 * half_xy[0] + 2.0)


def _paint_multifidus(scene: Scene, generator: np.random.Generator, muscle: Muscle) -> Mask:
    """Draw the oval multifidus with its fibres, streaks of fat and a thin fascia; returns its (H, W) bool mask."""
    outline = placed(unit_outline(generator, 0.07), muscle.center_xy, muscle.half_xy)
    mask = filled(outline, scene.size_hw)
    angle = muscle.side * generator.uniform(0.2, 1.1)  # the fibres run from the spine down and outwards
    fibres = streaks(generator, scene.size_hw, angle, generator.uniform(3.5, 6.0), generator.uniform(18.0, 45.0))
    fat_db = generator.uniform(2.0, 6.0) * np.maximum(fibres - 0.9, 0.0)
    scene.fill(mask, generator.uniform(-9.0, -5.0), 3.5 * fibres + fat_db)
    scene.line(outline, generator.uniform(2.0, 6.0), FADING * fibres, closed=True)
    return mask


def _paint_lamina(scene: Scene, generator: np.random.Generator, spine_x: float, muscle: Muscle) -> None:
    """Draw the bone below a muscle: a bright line that steps down outwards, with a shadow behind."""
    height = scene.size_hw[0]
    floor = muscle.center_xy[1] + muscle.half_xy[1] + generator.uniform(0.005, 0.03) * height
    outer = muscle.center_xy[0] + muscle.side * muscle.half_xy[0] * generator.uniform(0.5, 1.3)
    x = np.linspace(spine_x, outer, 30)
    along = np.linspace(0.0, 1.0, 30)
    facet = np.exp(-(((along - generator.uniform(0.5, 0.9)) / 0.15) ** 2))
    drop = generator.uniform(0.0, 0.08) * along**2 - generator.uniform(0.01, 0.03) * facet
    line: Points = np.stack([x, floor + height * np.maximum(drop, 0.0)], axis=1)
    shadow = np.concatenate([line, [(line[-1, 0], 2.0 * height), (line[0, 0], 2.0 * height)]])
    scene.fill(filled(shadow, scene.size_hw), -12.0, loss_db=generator.uniform(50.0, 110.0))
    scene.line(line, generator.uniform(9.0, 15.0), thickness=int(generator.integers(1, 4)))


def _paint_spinous_process(scene: Scene, generator: np.random.Generator, spine_x: float, top: float) -> None:
    """Draw the tip of the spinous process, a bright cap with a strong shadow."""
    height, width = scene.size_hw
    half_width = generator.uniform(0.7, 0.95) * GAP * width
    angle = np.linspace(-1.3, 1.3, 30)
    cap = np.stack([np.sin(angle), 1.0 - np.cos(angle)], axis=1) * (half_width, 0.7 * half_width)
    cap += (spine_x, top + generator.uniform(-0.01, 0.05) * height)
    shadow = np.concatenate([cap, [(cap[-1, 0], 2.0 * height), (cap[0, 0], 2.0 * height)]])
    scene.fill(filled(shadow, scene.size_hw), -14.0, loss_db=generator.uniform(60.0, 120.0))
    scene.line(cap, generator.uniform(11.0, 16.0), thickness=2)


def _paint_deep_bones(scene: Scene, generator: np.random.Generator, top: float) -> None:
    """Draw up to two bright arcs with shadows below the muscles: transverse processes."""
    height, width = scene.size_hw
    for _ in range(generator.integers(0, 3)):
        half_width = generator.uniform(0.03, 0.08) * width
        place = (generator.uniform(0.1, 0.9) * width, generator.uniform(top, max(0.85 * height, top + 1.0)))
        x = np.linspace(-1.0, 1.0, 20)
        arc: Points = np.stack([x, 0.4 * x**2], axis=1) * half_width + place
        shadow = np.concatenate([arc, [(arc[-1, 0], 2.0 * height), (arc[0, 0], 2.0 * height)]])
        scene.fill(filled(shadow, scene.size_hw), -12.0, loss_db=generator.uniform(40.0, 90.0))
        scene.line(arc, generator.uniform(6.0, 13.0), thickness=2)
