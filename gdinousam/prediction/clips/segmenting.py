"""From a clip and phrases to an answer for every frame, one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count

from gdinousam.errors import InputError
from gdinousam.inputs import as_phrases, as_settings
from gdinousam.models.mask_heads.sam2_memory import Sam2Memory
from gdinousam.prediction.clips.answers import FrameAnswer, TrackedObject
from gdinousam.prediction.clips.asking import asker_of
from gdinousam.prediction.clips.flow import Carrier, FlowCarrier
from gdinousam.prediction.clips.memory import MemoryCarrier
from gdinousam.prediction.clips.settings import ClipSettings
from gdinousam.prediction.clips.tracking import Tracker
from gdinousam.prediction.sources import Clip, Picture
from gdinousam.prediction.views import ViewSettings, crop, put_back, without_colour
from gdinousam.records import BoxXYXY, PhraseSegmenter


def segment_clip(
    segmenter: PhraseSegmenter,
    clip: Clip,
    phrases: Sequence[str],
    settings: ClipSettings | None = None,
    memory: Sam2Memory | None = None,
    views: ViewSettings | None = None,
    least_score: float = 0.0,
) -> Iterator[FrameAnswer]:
    """Find, segment and follow every phrase through a clip, or through the slices of a volume.

    clip: its views are followed on their own, each on its crop. memory: SAM2's video model, see ``ClipSettings.carry``.
    least_score: of a detection that counts as a new object, beside what the segmenter itself asks for.
    Yields one answer for each frame as soon as it is known; neither frames nor masks of earlier frames are kept. Raises
    InputError, before the first frame, for phrases and settings that do not go, and for a clip without frames.
    """
    settings = as_settings(settings, ClipSettings, "settings") or ClipSettings()
    views = as_settings(views, ViewSettings, "views") or ViewSettings()
    asked = list(dict.fromkeys(as_phrases([phrases], 1)[0]))
    if not clip.num_frames:
        raise InputError(f"{clip.name}: has no frames; give a clip with one frame or more")
    if settings.carry == "memory" and memory is None:
        raise InputError("carry = 'memory', but the mask head has no memory; set carry to 'auto' or 'flow'")
    if settings.carry == "flow":
        memory = None
    boxes = clip.views if views.by_regions else ((0, 0, clip.width, clip.height),)
    numbers = count(1)
    trackers = [_tracker(segmenter, asked, settings, memory, numbers, least_score) for _ in boxes]
    return _answers(clip, list(zip(boxes, trackers, strict=True)), asked, views)


def as_clip(source: Picture | Clip) -> Clip:
    """A clip as it is, a picture as a clip of one frame."""
    if isinstance(source, Clip):
        return source
    height, width = source.size_hw
    return Clip(
        source.name,
        1,
        width,
        height,
        None,
        source.spacing_mm,
        None,
        False,
        source.views,
        lambda: iter([source.image]),
        source.notes,
        source.path,
        source.format,
    )


def _tracker(
    segmenter: PhraseSegmenter,
    phrases: Sequence[str],
    settings: ClipSettings,
    memory: Sam2Memory | None,
    numbers: Iterator[int],
    least_score: float,
) -> Tracker:
    asker = asker_of(segmenter, phrases, settings.keep_share, least_score)
    carrier: Carrier = FlowCarrier(asker.masks, settings.smoothing) if memory is None else MemoryCarrier(memory)
    return Tracker(asker, carrier, phrases, settings, numbers)


def _answers(
    clip: Clip, trackers: Sequence[tuple[BoxXYXY, Tracker]], phrases: Sequence[str], views: ViewSettings
) -> Iterator[FrameAnswer]:
    seconds = None if clip.is_volume or not clip.fps else 1.0 / clip.fps
    for index, image in enumerate(clip):
        shown = without_colour(image) if views.colour == "grey" else image
        objects: list[TrackedObject] = []
        is_key = False
        for box, tracker in trackers:
            found, is_key_here = tracker.step(crop(shown, box))
            size_hw = image.shape[0], image.shape[1]
            objects += [replace(one, detection=put_back(one.detection, box, size_hw)) for one in found]
            is_key = is_key or is_key_here
        objects.sort(key=lambda one: (phrases.index(one.detection.phrase), one.track))
        yield FrameAnswer(index, None if seconds is None else index * seconds, image, tuple(objects), is_key)
