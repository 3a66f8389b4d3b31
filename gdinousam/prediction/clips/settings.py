"""What can be set of how a clip is followed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gdinousam.settings import Settings


class ClipSettings(Settings):
    """How objects are followed from frame to frame."""

    key_every: int = Field(
        10,
        ge=1,
        description="Most frames from one key frame, on which the detector runs, to the next; they follow sooner where "
        "an object is new, changing or in doubt.",
    )
    search_every: int = Field(
        3, ge=1, description="Most frames from one key frame to the next while a phrase has no object."
    )
    carry: Literal["auto", "flow", "memory"] = Field(
        "auto",
        description="How masks are carried between key frames. flow: optical flow moves the box, and the mask head "
        "draws the mask in it; memory: SAM2's video model; auto: memory if the weights have one, else flow.",
    )
    match_iou: float = Field(
        0.3, gt=0, le=1, description="A detection is the object that is followed if their boxes overlap by this (IoU)."
    )
    keep_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="An object that is followed is found again from this share of the score that a new one needs.",
    )
    max_missed: int = Field(
        1, ge=0, description="Key frames in a row that may miss an object; with the next one it counts as gone."
    )
    lost_below: float = Field(
        0.4,
        ge=0,
        le=1,
        description="A carried mask that agrees less than this with the frame before is lost, and the detector runs at "
        "once. flow: IoU with the moved mask; memory: SAM2's probability that the object is there.",
    )
    smoothing: float = Field(
        0.7,
        ge=0,
        lt=1,
        description="Weight of the moved earlier mask in each new one, against flicker; with flow only.",
    )
    remember: int = Field(
        200, ge=0, description="Frames for which an object that is gone can come back near its place under its number."
    )
