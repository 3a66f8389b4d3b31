"""From a scene to an image: gain, speckle, display, the probe's geometry, then what the scanner writes on top."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.sources.phantoms.tissue import smooth_noise
from gdinousam.data.speckle import FloatMap, PointSpread, depth_loss_db, log_compress, speckle_envelope
from gdinousam.records import Image, Mask

FACE_RADIUS = (0.14, 0.38)  # of the probe's face, as a fraction of the distance from its centre to the deepest echo
WIDENING = (1.0, 1.4)  # of the opening angle beyond the one whose sector meets the image's width and height at once
LARGEST_HALF_ANGLE = 0.66  # radians, between the middle and the outermost beam; abdominal probes open 50 to 75 degrees
FILL = (0.94, 0.995)  # of the image's width or height, whichever the sector meets first


@dataclass(frozen=True, eq=False)
class Sector:
    """Where each pixel of a sector image comes from.

    beams_hw: size of the beam image, chosen so that a circle at half depth stays one. columns, rows: (H, W) float32,
    place in the beam image, outside it where the pixel lies outside the sector. inside: (H, W) bool.
    """

    beams_hw: tuple[int, int]
    columns: FloatMap
    rows: FloatMap
    inside: Mask

    def grey(self, beams: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Scan-convert uint8 grey values of size ``beams_hw``, linearly between beams; black outside the sector."""
        grey = cv2.remap(beams, self.columns, self.rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.where(self.inside, grey, 0).astype(np.uint8)

    def mask(self, beams: Mask) -> Mask:
        """Scan-convert a bool mask of size ``beams_hw``, by the nearest beam and depth; false outside the sector."""
        mask = cv2.remap(beams.astype(np.uint8), self.columns, self.rows, cv2.INTER_NEAREST)
        return mask.astype(bool) & self.inside


def draw_sector(generator: np.random.Generator, size_hw: tuple[int, int]) -> Sector:
    """Draw a sector that nearly touches the width or the height of an image of the given size."""
    height, width = size_hw
    face = generator.uniform(*FACE_RADIUS)
    # The half angle t of a sector as wide and high as the image solves 2 h/w sin t + face cos t = 1.
    across = 2.0 * height / width
    fitting = np.arcsin(min(1.0 / np.hypot(across, face), 1.0)) - np.arctan2(face, across)
    half_angle = min(fitting * generator.uniform(*WIDENING), LARGEST_HALF_ANGLE)
    used_height = 1.0 - face * np.cos(half_angle)
    reach = generator.uniform(*FILL) * min(height / used_height, width / (2.0 * np.sin(half_angle)))
    center_y = generator.uniform(0.0, height - reach * used_height) - reach * face * np.cos(half_angle)
    beams_hw = int(reach * (1.0 - face)), int(reach * half_angle * (1.0 + face))
    x = np.arange(width, dtype=np.float32)[None, :] - np.float32((width - 1) / 2)
    y = np.arange(height, dtype=np.float32)[:, None] - np.float32(center_y)
    beam = np.arctan2(x, y) / np.float32(half_angle)  # in [-1, 1] inside the sector
    depth = (np.hypot(x, y) / np.float32(reach) - np.float32(face)) / np.float32(1.0 - face)  # in [0, 1] inside
    inside = (np.abs(beam) <= 1.0) & (depth >= 0.0) & (depth <= 1.0)
    columns, rows = (beam + 1.0) / 2.0 * (beams_hw[1] - 1), depth * (beams_hw[0] - 1)
    return Sector(beams_hw, columns.astype(np.float32), rows.astype(np.float32), np.asarray(inside))


LETTERS = "ABCDEGHKLMNPRSTVX"
FONTS = (cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_SIMPLEX)


def caliper_ends(mask_hw: Mask) -> tuple[tuple[int, int], tuple[int, int]]:
    """The two pixels (x, y) of a mask, not empty, that lie farthest apart, the left one first."""
    contours, _ = cv2.findContours(mask_hw.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = cv2.convexHull(np.concatenate(contours)).reshape(-1, 2).astype(np.int64)
    distance = ((points[:, None] - points[None]) ** 2).sum(axis=2)
    ends = [points[index] for index in np.unravel_index(int(distance.argmax()), distance.shape)]
    (x0, y0), (x1, y1) = sorted((int(x), int(y)) for x, y in ends)
    return (x0, y0), (x1, y1)


def draw_calipers(generator: np.random.Generator, grey_hw: np.ndarray, mask_hw: Mask) -> None:
    """Mark the longest diameter of a target in an (H, W) uint8 image, in place: two crosses and now and then dots."""
    value = int(generator.integers(190, 256))
    marker = cv2.MARKER_CROSS if generator.random() < 0.6 else cv2.MARKER_TILTED_CROSS
    size = int(generator.integers(5, 10))
    ends = caliper_ends(mask_hw)
    for end in ends:
        cv2.drawMarker(grey_hw, end, value, marker, size, 1)
    if generator.random() < 0.6:
        start, stop = np.array(ends)
        num_dots = int(np.hypot(*(stop - start)) / 5)
        for x, y in np.rint(np.linspace(start, stop, num_dots + 2)).astype(int)[1:-1]:
            grey_hw[y, x] = value


def draw_text(generator: np.random.Generator, grey_hw: np.ndarray) -> None:
    """Write letters into a corner or two and a depth scale along a side of an (H, W) uint8 image, in place."""
    height, width = grey_hw.shape
    value = int(generator.integers(150, 256))
    font = FONTS[generator.integers(len(FONTS))]
    scale = generator.uniform(0.55, 0.8) if font == cv2.FONT_HERSHEY_PLAIN else generator.uniform(0.28, 0.4)
    corners = generator.permutation(4)[: generator.integers(1, 3)]
    for corner in corners:
        word = "".join(LETTERS[index] for index in generator.integers(len(LETTERS), size=generator.integers(1, 8)))
        text = f"{word} {generator.integers(1, 100)}" if generator.random() < 0.5 else word
        (text_width, text_height), _ = cv2.getTextSize(text, font, scale, 1)
        x = 3 if corner % 2 == 0 else max(width - text_width - 3, 0)
        y = text_height + 3 if corner < 2 else height - 4
        cv2.putText(grey_hw, text, (x, y), font, scale, value, 1, cv2.LINE_AA)
    if generator.random() < 0.6:
        x = 1 if generator.random() < 0.5 else width - 4
        spacing = height / generator.uniform(5.0, 14.0)
        for row in np.arange(spacing, height - 1, spacing).astype(int):
            grey_hw[row, x : x + 3] = value


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


@dataclass(frozen=True, eq=False)
class Scan:
    """A scene as one machine with one setting sees it.

    strength_db: (H, W) float32, strength of the echoes that return. point_spread: the beam. dynamic_range_db, white_db:
    of the display, see ``log_compress``.
    """

    strength_db: FloatMap
    point_spread: PointSpread
    dynamic_range_db: float
    white_db: float


def draw_scan(generator: np.random.Generator, scene: Scene, settings: PhantomSettings) -> Scan:
    """Draw what the settings leave open of gain, display and grain for a scene of one column per beam."""
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
    return Scan(strength_db, spread, range_db, white_db)


def _beam_image(generator: np.random.Generator, scene: Scene, settings: PhantomSettings) -> npt.NDArray[np.uint8]:
    """The (H, W) uint8 image with one column per beam."""
    scan = draw_scan(generator, scene, settings)
    envelope = speckle_envelope(generator, scan.strength_db, scan.point_spread)
    return log_compress(envelope, scan.dynamic_range_db, scan.white_db)
