"""How each kind of source is segmented and which files are written for it: the one place where this is chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gdinousam.prediction.results import Prediction
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.sources import PICTURE_SUFFIXES, Clip, Picture, open_source
from gdinousam.prediction.writing.as_records import Record, as_record, clip_record
from gdinousam.prediction.writing.clips import ClipFiles, Following, clip_names, followed, write_clip
from gdinousam.prediction.writing.masks import objects_of
from gdinousam.prediction.writing.medical import MedicalFiles, medical_names, write_medical
from gdinousam.prediction.writing.pictures import picture_names, union_of, write_pictures
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Detection


@dataclass(frozen=True)
class Question:
    """What is asked of every file.

    phrases: no two that read alike. threshold, max_detections: as for ``Segmenter.predict``. keep_patient: see
    ``write_dicom_seg``.
    """

    phrases: tuple[str, ...]
    threshold: float | None = None
    max_detections: int | None = None
    keep_patient: bool = False


@dataclass(frozen=True)
class Answered:
    """What was found in a file. record: for the tables. files: that were written. lines: a report for people."""

    record: Record
    files: tuple[Path, ...]
    lines: tuple[str, ...]


def planned_names(path: Path, name: str, question: Question) -> tuple[str, ...]:
    """The names of the files that may be written for a source, told before it is opened.

    Raises InputError where two would have one name, or one too long a name.
    """
    of_clip = clip_names(name) if path.is_dir() or not path.name.lower().endswith(PICTURE_SUFFIXES) else ()
    return tuple(dict.fromkeys((*picture_names(name, question.phrases).values(), *of_clip, *medical_names(path, name))))


def answer(segmenter: Segmenter, path: Path, question: Question, folder: Path | None, name: str) -> Answered:
    """Segment a source and write what belongs to its kind.

    folder: that exists; ``None``: nothing is written. name: what the names of the files begin with. Raises InputError
    for a source that cannot be read or segmented.
    """
    source = open_source(path)
    if isinstance(source, Clip):
        return _answer_clip(segmenter, source, path, question, folder, name)
    return _answer_picture(segmenter, source, path, question, folder, name)


def _answer_picture(
    segmenter: Segmenter, picture: Picture, path: Path, question: Question, folder: Path | None, name: str
) -> Answered:
    prediction = segmenter.predict(
        picture, question.phrases, threshold=question.threshold, max_detections=question.max_detections
    )
    files: dict[str, Path] = {}
    medical = MedicalFiles(())
    if folder is not None:
        files = write_pictures(prediction, folder, name)
        objects, masks = objects_of(prediction.detections)
        by = prediction.made_by
        medical = write_medical(picture, folder, name, [masks], objects, by, question.keep_patient)
    prediction = replace(prediction, notes=(*prediction.notes, *medical.notes))
    lines = [f"{path}: {phrase}: {_found(prediction, phrase, files.get(phrase))}" for phrase in question.phrases]
    lines += [f"{path}: all masks -> {written}" for written in medical.paths[:1]]
    lines += [f"{path}: {note}" for note in prediction.notes]
    return Answered(as_record(prediction), (*files.values(), *medical.paths), tuple(lines))


def _answer_clip(
    segmenter: Segmenter, clip: Clip, path: Path, question: Question, folder: Path | None, name: str
) -> Answered:
    answers = ProgressBar(len(clip), clip.name, "slice" if clip.is_volume else "frame").over(
        segmenter.predict_clip(
            clip, question.phrases, threshold=question.threshold, max_detections=question.max_detections
        )
    )
    made_by = segmenter.made_under(question.threshold, question.max_detections)
    if folder is None:
        written = ClipFiles((), (), followed(answers, clip))
    else:
        written = write_clip(answers, clip, folder, name, made_by, question.keep_patient)
    notes = (*clip.notes, *written.notes)
    lines = [f"{path}: {phrase}: {_followed(written.objects, phrase, len(clip))}" for phrase in question.phrases]
    lines += [f"{path}: video and table -> {', '.join(map(str, written.paths[:3:2]))}"] if written.paths else []
    lines += [f"{path}: {note}" for note in notes]
    record = clip_record(clip, question.phrases, written.objects, notes, made_by)
    return Answered(record, written.paths, tuple(lines))


def _followed(objects: Sequence[Following], phrase: str, num_frames: int) -> str:
    found = [one for one in objects if one.phrase == phrase]
    if not found:
        return "not found"
    lasting = [one for one in found if len(one.frames) > 1]
    texts = [f"object {one.track} in {len(one.frames)} of {num_frames} frames" for one in lasting]
    if num_single := len(found) - len(lasting):
        texts.append(f"{num_single} {'object' if num_single == 1 else 'objects'} in a single frame")
    return ", ".join(texts)


def _found(prediction: Prediction, phrase: str, mask_path: Path | None) -> str:
    mask_hw = union_of(prediction.detections, phrase)
    if mask_hw is None:
        return "not found"
    boxes = ", ".join(_box_text(one) for one in _of(prediction.detections, phrase))
    return f"{boxes}, {int(mask_hw.sum())} pixels" + (f" -> {mask_path}" if mask_path else "")


def _of(detections: Sequence[Detection], phrase: str) -> list[Detection]:
    return [one for one in detections if one.phrase == phrase]


def _box_text(detection: Detection) -> str:
    return f"score {detection.score:.2f} box " + " ".join(f"{edge:.0f}" for edge in detection.box_xyxy)
