"""From a scene to an image: gain, speckle, display, the probe's geometry, then what the scanner writes on top."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.phantoms.overlays import draw_calipers, draw_text
from gdinousam.data.sources.phantoms.probe import Sector
from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import smooth_noise
from gdinousam.data.speckle import PointSpread, depth_loss_db, log_compress, speckle_envelope
from gdinousam.records import Image, Mask


@dataclass(frozen=True, eq=False)
class Phantom:
    """One generated image and its objects.

    image: (H, W, 3) uint8, three equal channels. instances: phrase and (H, W) bool mask of each target; masks are not
    empty. Lesions come from left to right and do not touch; the parts of a kidney overlap its capsule. May be empty.
    """

    image: Image
    instances: tuple[tuple[str, Mask], ...]


def image_scene(
    generator: np.random.Generator, scene: Scene, settings: PhantomSettings, sector: Sector | None, calipers: float
) -> Phantom:
    """Scan a scene. sector: the geometry of a convex probe. calipers: their probability, for this family."""
    grey, instances = _beam_image(generator, scene, settings), scene.instances
    if sector is not None:
        grey, instances = sector.grey(grey), [(phrase, sector.mask(mask)) for phrase, mask in instances]
    # Thin parts of a small organ may hold no pixel, and near the probe beams lie closer than pixels.
    instances = [(phrase, mask) for phrase, mask in instances if mask.any()]
    if scene.probe_below:
        grey = np.ascontiguousarray(grey[::-1])
        instances = [(phrase, np.ascontiguousarray(mask[::-1])) for phrase, mask in instances]
    if instances and happens(generator, calipers):
        draw_calipers(generator, grey, max((mask for _, mask in instances), key=np.count_nonzero))
    if happens(generator, settings.text):
        draw_text(generator, grey)
    return Phantom(np.repeat(grey[..., None], 3, axis=2), tuple(instances))


def happens(generator: np.random.Generator, probability: float) -> bool:
    """Whether something of a probability happens; what never does takes nothing from the generator."""
    return probability > 0.0 and bool(generator.random() < probability)


def _beam_image(generator: np.random.Generator, scene: Scene, settings: PhantomSettings) -> npt.NDArray[np.uint8]:
    """The (H, W) uint8 image with one column per beam."""
    strength_db = scene.strength_db - depth_loss_db(scene.loss_db)
    if settings.gain_curve_db:
        strength_db += np.float32(settings.gain_curve_db) * smooth_noise(generator, (len(strength_db), 1), (5, 1))
    white_db, range_db = settings.white_db, settings.dynamic_range_db
    if settings.gain_spread_db:
        white_db += generator.uniform(-1.0, 1.0) * settings.gain_spread_db
    if settings.dynamic_range_spread_db:
        range_db += generator.uniform(-1.0, 1.0) * settings.dynamic_range_spread_db
    spread = settings.point_spread
    if settings.grain != (1.0, 1.0):
        factor = generator.uniform(*settings.grain)
        spread = PointSpread(factor * spread.axial_sigma, factor * spread.lateral_sigma)
    return log_compress(speckle_envelope(generator, strength_db, spread), range_db, white_db)
