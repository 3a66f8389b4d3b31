"""Saved answers as a method that can be scored: how the answers of any other program enter the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from gdinousam.data.masks import tight_box_xyxy
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.cases import Case
from gdinousam.evaluation.scoring.methods import Untimed
from gdinousam.evaluation.scoring.notes import Notes
from gdinousam.methods.saved_masks.answers import (
    SavedAnswer,
    SavedAnswers,
    SizeHW,
    case_of_size,
    listed,
    resize_nearest,
    scale_box,
)
from gdinousam.methods.saved_masks.coco_results import CocoResults
from gdinousam.methods.saved_masks.folder import MaskFolder
from gdinousam.methods.saved_masks.settings import SavedMasksSettings
from gdinousam.records import BoxXYXY, Detection, Image, ImageRecord, Need, Query

_AS_SET = SavedMasksSettings()
_OF_FOLDERS = ("one_mask_answers", "array", "threshold")
_OF_COCO = ("coco_file", "coco_phrases")
_ONE_MASK = "the only mask of an image answers the phrase of its last row"
_NO_BOX: BoxXYXY = (0.0, 0.0, 0.0, 0.0)  # of an answer without a pixel


class SavedMasks(Untimed):
    """The masks that another program made, or an earlier run of ours, as the answers of a method.

    path: a folder of masks or a COCO results file. needs: what the method was given beside the image. notes: which of
    the settings made a difference, for everybody who reads the scores.
    Raises InputError that lists what is wrong: what is not there, not asked for or of another size than its image where
    the settings do not allow it, and what cannot be read.
    """

    def __init__(
        self,
        path: Path,
        records: Sequence[ImageRecord],
        needs: frozenset[Need],
        settings: SavedMasksSettings = _AS_SET,
    ) -> None:
        self.needs = needs
        self._answers = _open(path, records, settings)
        self._empty_is_answer = self._answers.empty_is_answer if settings.empty is None else settings.empty == "answer"
        self._answers_last_alone = settings.one_mask_answers == "last"
        self._scored_hw: dict[Path, SizeHW] = {}  # of the images that are scored at another size than their own
        resized, mixed = [], []
        for record in records:
            sizes = self._answers.sizes(record)
            others = {name: size for name, size in sizes.items() if size != _size(record)}
            resized += [_of_other_size(name, size, record) for name, size in others.items()]
            if others and settings.resize == "truth":
                self._scored_hw[record.path] = next(iter(others.values()))
                mixed += [record.path.name] if len(set(sizes.values())) > 1 else []
        _require_allowed(self._answers, resized, mixed, settings)
        self.notes = self._notes(len(resized), settings)

    def at_scored_size(self, case: Case) -> Case:
        """The case at the size at which it is scored: with ``resize: truth`` that of its masks, else as it is."""
        return case_of_size(case, self._scored_hw.get(case.record.path, _size(case.record)))

    def segment_records(self, images: Sequence[Image], records: Sequence[ImageRecord]) -> list[list[Detection]]:
        """See ``RecordSegmenter``; the images are not looked at."""
        return [self.detections(record) for record in records]

    def detections(self, record: ImageRecord) -> list[Detection]:
        """What was saved for an image, one detection per answer; none for an empty mask that counts as nothing found.

        record: that of a case ``at_scored_size``, which the detections have the size of. An answer without a box gets
        the one round its mask, and without a score 1.
        """
        detections = [self._detection(answer, record) for answer in self._answers.read(record)]
        return [one for one in detections if one is not None]

    def unsupported(self, record: ImageRecord) -> Mapping[str, str]:
        """See ``Limited``: what the one mask of an image does not answer."""
        others = [phrase for phrase in record.phrases if phrase != record.last_phrase]
        return dict.fromkeys(others if self._answers_last_alone else (), _ONE_MASK)

    def _detection(self, answer: SavedAnswer, record: ImageRecord) -> Detection | None:
        height, width = answer.mask_hw.shape
        box_xyxy = answer.box_xyxy or tight_box_xyxy(answer.mask_hw)
        if box_xyxy is None:
            # where there is no object, silence is right
            if not self._empty_is_answer or not Query(record, answer.phrase).instances:
                return None
            box_xyxy = _NO_BOX
        box_xyxy = scale_box(box_xyxy, (height, width), _size(record))
        return Detection(answer.phrase, box_xyxy, answer.score, resize_nearest(answer.mask_hw, _size(record)))

    def _notes(self, num_resized: int, settings: SavedMasksSettings) -> Notes:
        answers, remarks = self._answers, []
        if answers.missing:
            remarks.append(f"{len(answers.missing)} of {answers.num_wanted} masks are not there: nothing found.")
        if answers.unknown:
            remarks.append(f"{listed(answers.unknown, 'masks or ids left out that the test file does not have')}.")
        if self._scored_hw:
            remarks.append(
                f"In {len(self._scored_hw)} images the truth was resized to masks of another size, by the nearest "
                "pixel; pixels and distances are those of the masks."
            )
        elif num_resized:
            remarks.append(f"{num_resized} masks were resized to the size of their image, by the nearest pixel.")
        if self._empty_is_answer:
            remarks.append("A mask without a pixel counts as an answer, which scores 0.")
        if settings.threshold != _AS_SET.threshold:
            remarks.append(f"Scores from {settings.threshold:g} on belong to the object.")
        return Notes((*remarks, *answers.remarks), resized_truth=bool(self._scored_hw))


def _open(path: Path, records: Sequence[ImageRecord], settings: SavedMasksSettings) -> SavedAnswers:
    is_coco = path.suffix.lower() == ".json" and not path.is_dir()
    if path.is_file() and not is_coco:
        raise InputError(f"{path}: neither a folder of masks nor a COCO results file (.json); give one of the two")
    others = _OF_FOLDERS if is_coco else _OF_COCO
    idle = [name for name in others if getattr(settings, name) != getattr(_AS_SET, name)]
    if idle:
        kind = "a COCO results file" if is_coco else "a folder of masks"
        raise InputError(f"saved_masks.{idle[0]} has no meaning for {kind}, as {path} is; leave it out")
    return CocoResults(path, records, settings) if is_coco else MaskFolder(path, records, settings)


def _require_allowed(
    answers: SavedAnswers, resized: Sequence[str], mixed: Sequence[str], settings: SavedMasksSettings
) -> None:
    none_is_there = len(answers.missing) == answers.num_wanted > 0
    problems = [
        listed(answers.missing, "missing") if settings.missing == "error" or none_is_there else "",
        listed(answers.unknown, "of no image and phrase of the test file") if settings.unknown == "error" else "",
        listed(resized, "of another size than the image") if settings.resize == "never" else "",
        listed(mixed, "images with masks of several sizes, so that the truth cannot be resized to them"),
        *answers.wrong,
    ]
    if any(problems):
        raise InputError(f"{answers.path}: {'; '.join(filter(None, problems))}. {answers.wanted}")


def _of_other_size(name: str, size_hw: SizeHW, record: ImageRecord) -> str:
    return f"{name} ({size_hw[1]} x {size_hw[0]} instead of {record.width} x {record.height})"


def _size(record: ImageRecord) -> SizeHW:
    return record.height, record.width
