"""Video files by OpenCV, frame by frame; a video that was cut off is refused instead of being read in part."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from gdinousam.data.sources.medical.frames import MedicalFrames, above_zero
from gdinousam.errors import InputError
from gdinousam.reading import reading, unreadable
from gdinousam.records import Image

logger = logging.getLogger(__name__)

FORMAT = "a video"
SUFFIXES = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv")
COUNTING = (".mp4", ".m4v", ".mov", ".avi")  # these count their frames, the others tell their length in seconds
# FFmpeg's own lines on stderr, which our message stands for; read when the first video is opened. -8 is AV_LOG_QUIET.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

TOLERANCE = 0.01  # of a number of frames that was computed from seconds


def read_video(path: Path) -> MedicalFrames:
    """The frames of a video, as OpenCV decodes them.

    All frames are decoded once to be counted. Raises ``InputError`` naming the file where it is missing, empty, or no
    video, and where it announces more frames than can be decoded, as files do that were cut off.
    """
    with reading(path, FORMAT), path.open("rb") as file:
        if not file.read(1):
            raise InputError(f"{path}: is empty; copy the video again")
    with _opened(path) as capture:
        announced = capture.get(cv2.CAP_PROP_FRAME_COUNT)
        fps = above_zero(capture.get(cv2.CAP_PROP_FPS))
        is_there, first = capture.read()
        if not is_there:
            raise unreadable(path, FORMAT, "no frame of it can be decoded", "copy it again, or convert it to MP4")
        num_frames = 1
        while capture.grab():
            num_frames += 1
    missing = announced - num_frames
    if missing > (0 if path.suffix.lower() in COUNTING else max(1, TOLERANCE * announced)):
        raise InputError(
            f"{path}: announces {announced:.0f} frames, but {num_frames} can be decoded; it is cut off or damaged: "
            "copy it again, or save what is whole as a new video"
        )
    if missing > 0:
        logger.warning("%s: by its length it has %.0f frames, %d can be decoded", path, announced, num_frames)
    height, width = first.shape[:2]

    def frames() -> Iterator[Image]:
        with _opened(path) as capture:
            for number in range(1, num_frames + 1):
                is_there, frame = capture.read()
                if not is_there or frame.shape[:2] != (height, width):
                    raise unreadable(path, FORMAT, f"frame {number} of {num_frames} cannot be decoded as the first one")
                yield np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)

    return MedicalFrames(num_frames, width, height, True, None, frames, fps=fps)


def announced_frames(path: Path) -> int:
    """The number of frames that a video says it has; 0 for a file that is no video."""
    try:
        return announced_size(path)[2]
    except InputError:
        return 0


def announced_size(path: Path) -> tuple[int, int, int]:
    """Width, height and number of frames that a video says it has, 0 where it does not; nothing is decoded.

    Raises ``InputError`` naming the file where it is no video.
    """
    wanted = cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT
    with _opened(path) as capture:
        width, height, num_frames = (max(int(capture.get(one)), 0) for one in wanted)
    return width, height, num_frames


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    logs = cv2.utils.logging
    level = logs.setLogLevel(logs.LOG_LEVEL_ERROR)  # it warns of what we raise
    try:
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)  # other backends take names for patterns of file names
    finally:
        logs.setLogLevel(level)
    try:
        if not capture.isOpened():
            raise unreadable(path, FORMAT, "damaged, cut off, or of a kind that is not known", "copy or convert it")
        yield capture
    finally:
        capture.release()
