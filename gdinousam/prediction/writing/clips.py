"""What is written for a clip or volume: a video with outlines, a table, a plot of areas over time, and the masks.

Everything but the plot is written frame by frame while the answers come, so that a long clip need not fit into memory.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np
from matplotlib.figure import Figure

from gdinousam.data.sources.video import announced_frames
from gdinousam.drawing import PALETTE, write_picture
from gdinousam.errors import InputError
from gdinousam.files import csv_file, replaced_file
from gdinousam.prediction.clips.answers import Following, FrameAnswer, TrackedObject
from gdinousam.prediction.results import MadeBy
from gdinousam.prediction.sources import Clip
from gdinousam.prediction.writing.masks import FrameMasks
from gdinousam.prediction.writing.medical import write_medical
from gdinousam.prediction.writing.pictures import OVERLAY, overlay
from gdinousam.records import Detection, Image

VIDEO, STILL, TABLE, PLOT = f"_{OVERLAY}.mp4", f"_{OVERLAY}.png", "_frames.csv", "_area.png"
SHOWN_FPS = 10.0  # of the video where the source has no speed, such as a volume
COLUMNS = ("frame", "time_s", "track", "phrase", "score", "is_detected", "area", "unit", "x0", "y0", "x1", "y1")
_CODEC = "mp4v"  # MPEG-4 part 2, which every build of OpenCV can write


@dataclass(frozen=True)
class ClipFiles:
    """paths: that were written. notes: a sentence each. objects: in the order of their numbers."""

    paths: tuple[Path, ...]
    notes: tuple[str, ...]
    objects: tuple[Following, ...]


def clip_names(name: str) -> tuple[str, ...]:
    """The files that ``write_clip`` writes beside those of ``medical_names``. name: what they begin with."""
    return tuple(f"{name}{ending}" for ending in (VIDEO, STILL, TABLE, PLOT))


def write_clip(
    answers: Iterable[FrameAnswer], clip: Clip, folder: Path, name: str, made_by: MadeBy, keep_patient: bool = False
) -> ClipFiles:
    """Write what was found in a clip into an existing folder; earlier files are replaced.

    The video has the outline of every object with its number, phrase and score; the still is the first frame with the
    most objects. The table has a row for each object in each frame: the frame from 0, seconds (empty where the clip has
    no speed), area in mm² (unit mm) where the spacing is known, else in pixels, box in pixels. keep_patient: see
    ``write_dicom_seg``. Raises InputError where the video cannot be written.
    """
    video, still, table, plot = (folder / one for one in clip_names(name))
    following: dict[int, Following] = {}
    best = _Best()
    with written_video(video, clip.fps or SHOWN_FPS) as show, csv_file(table) as file:
        objects: dict[int, str] = {}
        frames = _written(answers, show, _rows(file), clip, following, objects, best)
        medical = write_medical(clip, folder, name, frames, objects, made_by, keep_patient)
    if best.picture is not None:
        write_picture(best.picture, still)
    found = tuple(following[number] for number in sorted(following))
    write_area_plot(found, clip, plot)
    return ClipFiles((video, still, table, plot, *medical.paths), medical.notes, found)


@dataclass
class _Best:
    """The picture with the most objects so far."""

    picture: Image | None = None
    num_objects: int = -1


def _written(
    answers: Iterable[FrameAnswer],
    show: Any,
    table: Any,
    clip: Clip,
    following: dict[int, Following],
    objects: dict[int, str],
    best: _Best,
) -> Iterator[FrameMasks]:
    """Write each answer to the video and the table, and hand its masks on."""
    for answer in answers:
        picture = frame_overlay(answer)
        show(picture)
        if len(answer.objects) > best.num_objects:
            best.picture, best.num_objects = picture, len(answer.objects)
        masks: dict[int, Any] = {}
        for one in answer.objects:
            known = _noted(following, answer.index, one, clip)
            table.writerow(_row(answer, one, known.areas[-1], known.unit))
            objects[one.track] = one.detection.phrase
            masks[one.track] = one.detection.mask_hw
        yield masks


def followed(answers: Iterable[FrameAnswer], clip: Clip) -> tuple[Following, ...]:
    """The objects of a clip, in the order of their numbers, without writing anything."""
    following: dict[int, Following] = {}
    for answer in answers:
        for one in answer.objects:
            _noted(following, answer.index, one, clip)
    return tuple(following[number] for number in sorted(following))


def _noted(following: dict[int, Following], frame: int, one: TrackedObject, clip: Clip) -> Following:
    """Add an object of a frame to what is known of it."""
    across, down = clip.spacing_mm or (1.0, 1.0)
    unit = "pixels" if clip.spacing_mm is None else "mm"
    known = following.setdefault(one.track, Following(one.track, one.detection.phrase, unit))
    known.frames.append(frame)
    assert one.detection.mask_hw is not None
    known.areas.append(int(np.count_nonzero(one.detection.mask_hw)) * across * down)
    return known


def frame_overlay(answer: FrameAnswer) -> Image:
    """A frame with the outline, number, phrase and score of every object; an object has one colour in all frames."""
    labels = {one.track: f"{one.track} {one.detection.phrase}" for one in answer.objects}
    drawn: Sequence[Detection] = [replace(one.detection, phrase=labels[one.track]) for one in answer.objects]
    # the place in this list chooses the colour
    return overlay(answer.image, drawn, [labels.get(number, "") for number in range(1, max(labels, default=0) + 1)])


@contextmanager
def written_video(path: Path, fps: float) -> Iterator[Any]:
    """A function that adds (H, W, 3) uint8 RGB pictures, all of one size, to a video that appears when it is whole."""
    with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder:
        new = Path(folder, path.name)  # OpenCV tells the container by the suffix
        writer = cv2.VideoWriter()
        num_shown = 0

        def show(picture: Image) -> None:
            nonlocal num_shown
            even = np.pad(picture, ((0, picture.shape[0] % 2), (0, picture.shape[1] % 2), (0, 0)), mode="edge")
            height, width = even.shape[:2]
            if not writer.isOpened():
                writer.open(str(new), cv2.VideoWriter.fourcc(*_CODEC), fps, (width, height))
            if not writer.isOpened():
                raise InputError(f"{path}: this build of OpenCV cannot write MP4; install opencv-python from PyPI")
            writer.write(even[..., ::-1])
            num_shown += 1

        try:
            yield show
        finally:
            writer.release()
        if new.exists():
            if announced_frames(new) != num_shown:  # OpenCV does not tell of a disk that is full
                raise InputError(f"{path}: could not be written whole; free some room there, or name another folder")
            with replaced_file(path) as whole:
                new.replace(whole)


def _rows(file: TextIO) -> Any:
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    return writer


def _row(answer: FrameAnswer, one: TrackedObject, area: float, unit: str) -> list[object]:
    seconds = "" if answer.time_s is None else round(answer.time_s, 4)
    box = [round(edge, 2) for edge in one.detection.box_xyxy]
    known = (one.track, one.detection.phrase, round(one.detection.score, 4), int(one.is_detected), round(area, 3), unit)
    return [answer.index, seconds, *known, *box]


def write_area_plot(objects: Sequence[Following], clip: Clip, path: Path) -> None:
    """Draw the area of every object over time, or over slices, as PNG; a gap where an object is not seen."""
    figure = Figure(figsize=(7.0, 3.5), layout="constrained")
    axes = figure.subplots()
    per_frame = 1.0 if clip.is_volume or not clip.fps else 1.0 / clip.fps
    for one in objects:
        color = tuple(part / 255 for part in PALETTE[(one.track - 1) % len(PALETTE)])
        areas = np.full(clip.num_frames, np.nan)
        areas[one.frames] = one.areas
        times = per_frame * np.arange(clip.num_frames)
        axes.plot(times, areas, color=color, marker=".", markersize=3, label=f"{one.track} {one.phrase}")
    axes.set_xlabel("slice" if clip.is_volume else "frame" if not clip.fps else "time (s)")
    axes.set_ylabel("area (pixels)" if clip.spacing_mm is None else "area (mm²)")
    axes.set_xlim(0, max(per_frame * (clip.num_frames - 1), per_frame))
    axes.set_ylim(bottom=0)
    if objects:
        axes.legend(fontsize="small", ncols=2)
    else:
        axes.set_title("nothing found")
    with replaced_file(path, durable=False) as new:
        figure.savefig(new, format="png", dpi=120)
