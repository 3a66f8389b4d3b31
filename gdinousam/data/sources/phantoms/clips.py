"""Generated clips: one scene seen over time, with the exact mask of every target in every frame.

A scene wider than the frames is drawn once and scanned once, as a complex echo field. Each frame shows that field where
probe motion, breathing and a smooth change of shape have taken it, so speckle moves with the tissue; a part of it is
drawn anew in each frame, as in real tissue that also moves across the plane. What moves is the field after the beam
has smoothed it: the grain turns and stretches a little with the tissue, which a real beam's would not, and shadows
move with what throws them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gdinousam.data.sources.phantoms.families import family_named
from gdinousam.data.sources.phantoms.imaging import Phantom, Scan, Sector, draw_scan, draw_sector, draw_text, happens
from gdinousam.data.sources.phantoms.motion import Motion, MotionSettings, moved
from gdinousam.data.sources.phantoms.scene import Scene
from gdinousam.data.sources.phantoms.settings import PhantomSettings
from gdinousam.data.speckle import log_compress, speckle_field
from gdinousam.errors import InputError
from gdinousam.records import Mask

CLIP_FPS = 20.0
LEAVING_FAMILIES = ("breast", "liver", "thyroid")  # whose targets are small enough to leave the view
_WIDE = 3  # widths of a frame that a scene has through which the probe slides
_ABSENT = (0.4, 0.7)  # of the clip, between which a target that leaves is out of view
_MARGIN = 8  # beams between the frame and a target that is out of view


@dataclass(frozen=True)
class ClipSettings:
    """What generated clips look like.

    look: of the images; calipers are left out, because they are set on frozen images. motion: what moves. fresh: share
    of the echoes' power that is drawn anew in each frame, in [0, 1].
    """

    look: PhantomSettings = field(default_factory=PhantomSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)
    fresh: float = 0.1

    def __post_init__(self) -> None:
        if not 0.0 <= self.fresh <= 1.0:
            raise InputError(f"fresh = {self.fresh}: give a share from 0 to 1")


@dataclass(frozen=True, eq=False)
class PhantomClip:
    """A generated clip, whose frames are drawn when they are asked for; each loop gives the same frames.

    phrases: of its targets. num_frames: how many. size_hw: height and width of the frames in pixels. Each frame is a
    ``Phantom`` with one instance for every target, in the order of ``phrases``; unlike in still images the mask of a
    target is empty where it is out of view.
    """

    phrases: tuple[str, ...]
    num_frames: int
    size_hw: tuple[int, int]
    _scene: Scene
    _scan: Scan
    _echoes: npt.NDArray[np.float32]
    _motion: Motion
    _lefts: npt.NDArray[np.float64]
    _drifts: bool
    _sector: Sector | None
    _seed: int
    _settings: ClipSettings
    _has_text: bool

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[Phantom]:
        return (self.frame(index) for index in range(self.num_frames))

    def frame(self, index: int) -> Phantom:
        """One frame, counted from 0."""
        generator = np.random.default_rng([self._seed, index])
        columns, rows = self._motion.places(index, float(self._lefts[index]), self._drifts)
        masks = [
            moved(mask.view(np.uint8), columns, rows, nearest=True).astype(bool) for _, mask in self._scene.instances
        ]
        grey = self._grey(generator, columns, rows)
        if self._sector is not None:
            grey, masks = self._sector.grey(grey), [self._sector.mask(mask) for mask in masks]
        if self._scene.probe_below:
            grey, masks = np.ascontiguousarray(grey[::-1]), [np.ascontiguousarray(mask[::-1]) for mask in masks]
        if self._has_text:
            draw_text(np.random.default_rng(self._seed), grey)  # the same in every frame
        return Phantom(np.repeat(grey[..., None], 3, axis=2), tuple(zip(self.phrases, masks, strict=True)))

    def _grey(
        self, generator: np.random.Generator, columns: npt.NDArray[np.float32], rows: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.uint8]:
        fresh = self._settings.fresh
        echoes = moved(self._echoes, columns, rows) * np.float32(np.sqrt(1.0 - fresh))
        if fresh:
            strength_db = moved(self._scan.strength_db, columns, rows)
            echoes += np.float32(np.sqrt(fresh)) * speckle_field(generator, strength_db, self._scan.point_spread)
        envelope = np.hypot(echoes[..., 0], echoes[..., 1])
        return log_compress(envelope, self._scan.dynamic_range_db, self._scan.white_db)


def make_clip(
    seed: int,
    num_frames: int,
    settings: ClipSettings | None = None,
    family: str = "breast",
    leaves: bool = False,
) -> PhantomClip:
    """Draw a clip; the same arguments give the same clip.

    family: as for ``make_phantom``. leaves: the probe slides away from the first target until that is out of view, and
    back; of the others one may come into view meanwhile. Raises InputError for an unknown family, a number of frames
    below 1, and a family whose targets cannot leave.
    """
    settings = settings or ClipSettings()
    if num_frames < 1:
        raise InputError(f"number of frames is {num_frames}: give 1 or more")
    if leaves and family not in LEAVING_FAMILIES:
        raise InputError(f"targets of {family!r} do not leave the view: choose from {', '.join(LEAVING_FAMILIES)}")
    generator, look, drawn = np.random.default_rng(seed), settings.look, family_named(family)
    height = int(generator.integers(*look.height_range, endpoint=True))
    width = int(generator.integers(*look.width_range, endpoint=True))
    convex = happens(generator, min(2.0 * look.convex, 1.0) if drawn.deep else look.convex)
    sector = draw_sector(generator, (height, width)) if convex else None
    beams_hw = (height, width) if sector is None else sector.beams_hw
    scene = drawn.draw(generator, (beams_hw[0], _WIDE * beams_hw[1] if leaves else beams_hw[1]), look)
    scan = draw_scan(generator, scene, look)
    return PhantomClip(
        tuple(phrase for phrase, _ in scene.instances),
        num_frames,
        (height, width),
        scene,
        scan,
        speckle_field(generator, scan.strength_db, scan.point_spread),
        Motion(generator, beams_hw, settings.motion),
        _slide(generator, scene, beams_hw[1], num_frames) if leaves else np.zeros(num_frames),
        not leaves,
        sector,
        int(generator.integers(2**31)),
        settings,
        happens(generator, look.text),
    )


def _slide(generator: np.random.Generator, scene: Scene, width: int, num_frames: int) -> npt.NDArray[np.float64]:
    """The scene's column at the left edge of each frame: near the first target, away from it, and back."""
    first, last = _columns_of(scene.instances[0][1]) if scene.instances else (width, 2 * width)
    at_target = np.clip((first + last) / 2 - generator.uniform(0.4, 0.6) * width, 0, (_WIDE - 1) * width)
    right_of = last + 1 + _MARGIN
    away = right_of if right_of <= (_WIDE - 1) * width else first - _MARGIN - width
    ends = np.array(_ABSENT) * (num_frames - 1)
    slope = 0.25 * (num_frames - 1)  # frames on the way out, and back
    along = [ends[0] - slope, ends[0], ends[1], ends[1] + slope]
    share = np.interp(np.arange(num_frames), along, [0.0, 1.0, 1.0, 0.0])
    share = share * share * (3.0 - 2.0 * share)  # starts and stops gently
    return np.asarray(at_target + (away - at_target) * share)


def _columns_of(mask: Mask) -> tuple[int, int]:
    columns = np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(columns[-1])
