"""Phantom clips as files: a lossless video for each, and the mask of every target in every frame as PNG."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PILImage

from gdinousam.data.sources.phantoms.clips import CLIP_FPS, LEAVING_FAMILIES, ClipSettings, PhantomClip, make_clip
from gdinousam.errors import InputError
from gdinousam.files import csv_file
from gdinousam.folders import replaced_folder

OBJECTS = "objects.csv"
_CODEC = "FFV1"  # lossless, in every build of OpenCV that reads video


def write_clips(
    folder: Path,
    num_clips: int,
    num_frames: int,
    seed: int = 0,
    settings: ClipSettings | None = None,
    *,
    families: Sequence[str] = ("breast",),
    on_clip: Callable[[], object] | None = None,
) -> None:
    """Write phantom clips into a new folder, which appears only once it is complete.

    Clip i is ``clip_000.avi``, of the family ``families[i % len(families)]``; in every second one, the first on, the
    target leaves and comes back where its family can. The mask of its target k in frame j is
    ``clip_000/object_k/frame_000j.png``, 255 inside; ``objects.csv`` has the phrase of each. An odd last row or
    column, which video cannot hold, is left out. Raises InputError where the folder exists, for a family or a number
    that cannot be, and where this build of OpenCV cannot write AVI.
    """
    if folder.exists():
        raise InputError(f"{folder} exists already: choose another folder")
    if num_clips < 1:
        raise InputError(f"number of clips is {num_clips}: give 1 or more")
    with replaced_folder(folder) as new:
        new.mkdir(parents=True, exist_ok=True)
        with csv_file(new / OBJECTS) as table:
            table.write("clip,object,phrase\n")
            for index in range(num_clips):
                family = families[index % len(families)]
                leaves = index % 2 == 0 and family in LEAVING_FAMILIES
                clip = make_clip(1000 * seed + index, num_frames, settings, family, leaves)
                name = f"clip_{index:03d}"
                _write_clip(clip, new, name)
                table.writelines(f"{name},{number},{phrase}\n" for number, phrase in enumerate(clip.phrases, start=1))
                if on_clip is not None:
                    on_clip()


def _write_clip(clip: PhantomClip, folder: Path, name: str) -> None:
    height, width = (side - side % 2 for side in clip.size_hw)
    path = folder / f"{name}.avi"
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*_CODEC), CLIP_FPS, (width, height))
    if not video.isOpened():
        raise InputError(f"{path}: this build of OpenCV cannot write AVI; install opencv-python from PyPI")
    folders = [folder / name / f"object_{number}" for number in range(1, len(clip.phrases) + 1)]
    for one in folders:
        one.mkdir(parents=True)
    for index, frame in enumerate(clip):
        video.write(np.ascontiguousarray(frame.image[:height, :width]))
        for one, (_, mask) in zip(folders, frame.instances, strict=True):
            PILImage.fromarray(mask[:height, :width].astype(np.uint8) * 255).save(one / f"frame_{index:04d}.png")
    video.release()
