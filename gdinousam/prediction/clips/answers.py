"""What is said of one frame of a clip."""

from __future__ import annotations

from dataclasses import dataclass, field

from gdinousam.records import Detection, Image


@dataclass(frozen=True, eq=False)
class TrackedObject:
    """One object in one frame.

    track: its number in the clip, from 1, the same in all frames. detection: phrase, box and mask in this frame; the
    score is that of the last time the detector found it. is_detected: whether that was in this frame.
    """

    track: int
    detection: Detection
    is_detected: bool


@dataclass(frozen=True, eq=False)
class FrameAnswer:
    """What was found in one frame.

    index: of the frame, from 0. time_s: seconds since the first frame, ``None`` where the clip does not tell its speed
    and for slices of a volume. image: (H, W, 3) uint8 RGB. objects: by phrase as asked, then by number; may be empty.
    is_key: whether the detector looked at this frame.
    """

    index: int
    time_s: float | None
    image: Image
    objects: tuple[TrackedObject, ...]
    is_key: bool


@dataclass
class Following:
    """One object through a clip.

    track, phrase: as of ``TrackedObject``. unit: ``mm``, or ``pixels`` where the clip does not tell its spacing.
    frames: where it is seen, rising, from 0. areas: there, in the square of the unit.
    """

    track: int
    phrase: str
    unit: str
    frames: list[int] = field(default_factory=list)
    areas: list[float] = field(default_factory=list)
