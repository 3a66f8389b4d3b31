"""What phantoms look like: sizes, the scanner's display, and how often probe, overlays and targets vary.

The defaults draw linear probes without overlays and one display for all images; ``VARIED`` is for pretraining.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gdinousam.data.speckle import PointSpread
from gdinousam.errors import InputError

Range = tuple[float, float]  # lowest and highest, drawn from uniformly

SMALLEST_SIDE = 64  # pixels; below this a lesion is a few speckles and its shape cannot be seen


@dataclass(frozen=True)
class PhantomSettings:
    """What phantoms look like. A probability of 0 and a spread of 0 take nothing from the generator.

    height_range, width_range: lowest and highest image size in pixels, both included.
    dynamic_range_db: decibels between black and white. white_db: level shown as white; tissue lies at 0 dB.
    attenuation_db: loss from the top to the bottom of the image that the depth gain leaves.
    radius: size of a lesion (root of half height times half width) as a fraction of the image height; in a sector, of
    its depth. contrast: range of a factor on a lesion's contrast. two_lesions: probability of a second target of its
    kind, where the organ has room for one. point_spread: the beam, in pixels.
    convex: probability of a convex probe, whose image is a sector on black; twice that, at most 1, for deep organs.
    gain_curve_db: standard deviation of a smooth gain over depth.
    gain_spread_db, dynamic_range_spread_db: half the range round ``white_db`` and ``dynamic_range_db``, per image.
    grain: range of a factor on the point spread, per image.
    calipers: probability of measuring crosses at the ends of a target. text: probability of letters and a depth scale.
    empty: probability of an image without targets.
    """

    height_range: tuple[int, int] = (160, 192)
    width_range: tuple[int, int] = (160, 192)
    dynamic_range_db: float = 60.0
    white_db: float = 26.0
    attenuation_db: Range = (8.0, 20.0)
    radius: Range = (0.09, 0.2)
    contrast: Range = (1.0, 1.0)
    two_lesions: float = 0.25
    point_spread: PointSpread = field(default_factory=PointSpread)
    convex: float = 0.0
    gain_curve_db: float = 0.0
    gain_spread_db: float = 0.0
    dynamic_range_spread_db: float = 0.0
    grain: Range = (1.0, 1.0)
    calipers: float = 0.0
    text: float = 0.0
    empty: float = 0.0

    def __post_init__(self) -> None:
        for name in ("height_range", "width_range"):
            low, high = getattr(self, name)
            if not SMALLEST_SIDE <= low <= high:
                raise InputError(f"{name} = ({low}, {high}): give a rising range of at least {SMALLEST_SIDE} pixels")
        for name in ("radius", "contrast", "grain"):
            low, high = getattr(self, name)
            if not 0.0 < low <= high:
                raise InputError(f"{name} = ({low}, {high}): give a rising range above 0")
        for name in ("two_lesions", "convex", "calipers", "text", "empty"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise InputError(f"{name} = {getattr(self, name)}: give a probability from 0 to 1")
        for name in ("gain_curve_db", "gain_spread_db", "dynamic_range_spread_db"):
            if not 0.0 <= getattr(self, name) < self.dynamic_range_db / 2:
                raise InputError(f"{name} = {getattr(self, name)}: give 0 to less than half of dynamic_range_db")


VARIED = PhantomSettings(
    height_range=(176, 256),
    width_range=(176, 256),
    attenuation_db=(4.0, 20.0),
    radius=(0.035, 0.22),
    contrast=(0.65, 1.1),
    convex=0.4,
    gain_curve_db=2.0,
    gain_spread_db=5.0,
    dynamic_range_spread_db=10.0,
    grain=(0.7, 1.5),
    calipers=0.12,
    text=0.25,
    empty=0.08,
)
