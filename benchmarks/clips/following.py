"""Phantom clips, and the ways to follow their targets that are compared."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from benchmarks.clips.scores import ClipScores, score
from gdinousam.data.sources.phantoms import VARIED
from gdinousam.data.sources.phantoms.clips import CLIP_FPS, LEAVING_FAMILIES, ClipSettings, PhantomClip, make_clip
from gdinousam.prediction.clips.segmenting import segment_clip
from gdinousam.prediction.clips.settings import ClipSettings as FollowSettings
from gdinousam.prediction.sources import Clip
from gdinousam.records import Mask, PhraseSegmenter

LOOK = ClipSettings(look=replace(VARIED, empty=0.0))
STAYING_FAMILIES = ("breast", "liver", "thyroid", "kidney", "prostate")  # whose phrases the small model knows
Objects = list[tuple[int, str, Mask]]  # number, phrase and mask of each object of a frame


@dataclass(frozen=True)
class Followed:
    """What one way made of one phrase in one clip. seconds: of every frame of the clip."""

    way: str
    clip: int
    family: str
    leaves: bool
    phrase: str
    scores: ClipScores
    seconds: tuple[float, ...]


def clips(num_clips: int, num_frames: int, seed: int) -> Iterator[tuple[PhantomClip, str, bool]]:
    """Clips with their families: in turn one whose target leaves and comes back, and one whose target stays."""
    for index in range(num_clips):
        leaves = index % 2 == 0
        families = LEAVING_FAMILIES if leaves else STAYING_FAMILIES
        family = families[index // 2 % len(families)]
        yield make_clip(1000 * seed + index, num_frames, LOOK, family, leaves), family, leaves


def follow(
    segmenter: PhraseSegmenter, clip: PhantomClip, settings: FollowSettings | None
) -> tuple[list[Objects], list[float]]:
    """The objects of every frame and its seconds. settings: ``None`` segments every frame on its own."""
    phrases = list(dict.fromkeys(clip.phrases))
    images = [phantom.image for phantom in clip]  # drawn before the clock starts
    objects: list[Objects] = []
    seconds: list[float] = []
    start = time.perf_counter()
    if settings is None:
        for image in images:
            found = segmenter.segment([image], [phrases])[0]
            objects.append([(0, one.phrase, one.mask_hw) for one in found if one.mask_hw is not None])
            seconds.append(time.perf_counter() - start)
            start = time.perf_counter()
        return objects, seconds
    height, width = clip.size_hw
    source = Clip(
        "phantom",
        len(images),
        width,
        height,
        CLIP_FPS,
        None,
        None,
        False,
        ((0, 0, width, height),),
        lambda: iter(images),
    )
    for answer in segment_clip(segmenter, source, phrases, settings):
        tracked = [(one.track, one.detection) for one in answer.objects]
        objects.append([(track, one.phrase, one.mask_hw) for track, one in tracked if one.mask_hw is not None])
        seconds.append(time.perf_counter() - start)
        start = time.perf_counter()
    return objects, seconds


def scored(clip: PhantomClip, objects: Sequence[Objects]) -> dict[str, ClipScores]:
    """The scores of each phrase of a clip."""
    frames = list(clip)
    return {
        phrase: score(
            [[mask for name, mask in frame.instances if name == phrase] for frame in frames],
            [[(number, mask) for number, name, mask in found if name == phrase] for found in objects],
        )
        for phrase in dict.fromkeys(clip.phrases)
    }
