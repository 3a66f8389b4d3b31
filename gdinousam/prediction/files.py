"""Many files segmented into one folder: what is done is skipped, and a bad file does not stop the others."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from gdinousam.errors import InputError, PhraseError
from gdinousam.identity import has_no_text
from gdinousam.inputs import as_path
from gdinousam.prediction.finding import result_name
from gdinousam.prediction.given import phrases_of_images
from gdinousam.prediction.kept import Kept, results_folder
from gdinousam.prediction.segmenter import Segmenter
from gdinousam.prediction.writing.as_records import Record, is_of_clip
from gdinousam.prediction.writing.choice import Question, answer, planned_names
from gdinousam.prediction.writing.pictures import CONTACT_SHEET, picture_names, write_contact_sheet
from gdinousam.progress_bar import ProgressBar

logger = logging.getLogger(__name__)

NO_MEMORY = "too large for the memory; make the picture smaller"


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    record: see ``as_record``, ``None`` where the file failed. lines: a report for people, empty where it was done
    before. failure: why it failed, in one line, else ``None``. was_done: an earlier run had done it.
    """

    path: Path
    record: Record | None
    lines: tuple[str, ...] = ()
    failure: str | None = None
    was_done: bool = False


def predict_files(
    segmenter: Segmenter,
    paths: Sequence[str | Path],
    phrases: Sequence[str],
    output_dir: str | Path | None = None,
    *,
    threshold: float | None = None,
    max_detections: int | None = None,
    overwrite: bool = False,
    keep_patient: bool = False,
) -> Iterator[Outcome]:
    """Segment every phrase in every file, and yield what became of each.

    Writes into output_dir what ``writing.choice`` has for the kind of each file, ``predictions.jsonl`` line by line,
    and at the end, also of an interrupted run, the tables of all files that are done there. output_dir: ``None`` writes
    nothing. threshold, max_detections: as for ``Segmenter.predict``. overwrite: replace earlier results of these names.
    keep_patient: copy what names the patient from a DICOM file into its DICOM SEG.

    A file that an earlier run of the same models, thresholds and phrases has done is skipped; one that cannot be read
    or has results of another file in its place is an outcome with a failure. Raises InputError, before anything is
    written, where two results would have one name or one too long a name, and where the folder holds results that were
    made otherwise or files that are not ours; on the way for a phrase that cannot be asked, and where a single file is
    given and fails.
    """
    sources = [as_path(path) for path in paths]
    if isinstance(phrases, str):
        raise InputError(f"phrases is the text {phrases!r}; give a list of phrases, such as ['cyst']")
    question = Question(phrases_of_images(list(phrases), 1)[0], threshold, max_detections, keep_patient)
    planned = dict.fromkeys(sources, ()) if output_dir is None else _planned(sources, question)
    made_by = segmenter.made_under(threshold, max_detections)
    with nullcontext() if output_dir is None else results_folder(as_path(output_dir)) as kept:
        if kept is not None and not overwrite:
            kept.require_same([result_name(path) for path in sources], question.phrases, made_by)
            kept.require_free([name for names in planned.values() for name in names])
        for path in ProgressBar(len(sources), "predicting").over(sources):
            outcome = _outcome(segmenter, path, question, kept, planned[path], overwrite)
            if outcome.failure is not None and len(sources) == 1:
                raise InputError(outcome.failure)
            yield outcome


def without_results(paths: Sequence[Path], phrases: Sequence[str], output_dir: Path) -> list[Path]:
    """The paths without those in output_dir that are results of an earlier run, or would be of this one.

    So a folder can be segmented into itself again and again. What is left out is logged.
    """
    inside = [path for path in paths if path.resolve().parent == output_dir.resolve()]
    if not inside:
        return list(paths)
    question = Question(phrases_of_images(list(phrases), 1)[0])
    results = Kept(output_dir).own_files()
    results |= {name for path in paths for name in planned_names(path, result_name(path), question)}
    left_out = {path for path in inside if path.name in results}
    if left_out:
        logger.info("%s: left out because they are results: %d", output_dir, len(left_out))
    return [path for path in paths if path not in left_out]


def _planned(sources: Sequence[Path], question: Question) -> Mapping[Path, tuple[str, ...]]:
    """The files that may be written for each source."""
    planned = {path: planned_names(path, result_name(path), question) for path in sources}
    owner: dict[str, Path] = {}
    for path in sources:
        for name in planned[path]:
            other = owner.setdefault(name.lower(), path)
            if other is not path:
                raise InputError(
                    f"two results would be written as {name}: of {other} and of {path}; predict them separately, into "
                    "folders of their own"
                )
    return planned


def _outcome(
    segmenter: Segmenter, path: Path, question: Question, kept: Kept | None, names: Sequence[str], overwrite: bool
) -> Outcome:
    name = result_name(path)
    try:
        if not path.exists():
            raise InputError(f"{path}: no such image file; check the path")
        if has_no_text(path.name):
            raise InputError(f"{str(path)!a}: its name holds bytes that are not UTF-8 text; rename the file")
        if kept is not None and not overwrite and kept.of(name) is not None:
            if not kept.is_of(name, path):
                raise InputError(
                    f"{path}: {kept.folder} holds results of another file of this name, or of this one before it was "
                    "changed; replace them by --overwrite, or name another place with --output"
                )
            if kept.is_done(name):
                return Outcome(path, kept.of(name), was_done=True)
        if kept is not None:
            kept.begin(names)
        answered = answer(segmenter, path, question, kept.folder if kept else None, name)
        if kept is not None:
            kept.add(name, path, answered.record, answered.files, names)
    except PhraseError:  # nothing that another file could change
        raise
    except InputError as error:
        return Outcome(path, None, failure=str(error))
    except (MemoryError, torch.OutOfMemoryError):
        return Outcome(path, None, failure=f"{path}: {NO_MEMORY}")
    return Outcome(path, kept.of(name) if kept else answered.record, answered.lines)


def failure_text(failed: Sequence[Outcome], num_files: int) -> str:
    """Which files failed, and why, a line for each reason; for people.

    failed: outcomes with a failure, at least one. num_files: of all.
    """
    files_of: dict[str, list[Path]] = {}
    for outcome in failed:
        files_of.setdefault(str(outcome.failure), []).append(outcome.path)
    lines = [f"  {_with_files(reason, paths)}" for reason, paths in files_of.items()]
    return "\n".join([f"{len(failed)} of {num_files} files were not segmented:", *lines])


def _with_files(reason: str, paths: Sequence[Path]) -> str:
    if len(paths) > 1:
        return f"{reason} ({len(paths)} files, the first is {paths[0]})"
    return reason if str(paths[0]) in reason else f"{paths[0]}: {reason}"


def write_preview(outcomes: Sequence[Outcome], output_dir: Path) -> tuple[Path, int]:
    """Write one picture with small overlays of all files that are done.

    outcomes: of ``predict_files`` into output_dir, at least one with a record. Returns the file and the number of
    images on it.
    """
    pictures, captions = [], []
    for outcome in outcomes:
        if outcome.record is None:
            continue
        name = picture_names(result_name(outcome.path), outcome.record["phrases"])[""]
        found_key = "objects" if is_of_clip(outcome.record) else "detections"
        counts = Counter(one["phrase"] for one in outcome.record[found_key])
        found = ", ".join(f"{count} {phrase}" for phrase, count in counts.items())
        pictures.append(output_dir / name)
        captions.append((outcome.path.name, found or "nothing found"))
    path = output_dir / CONTACT_SHEET
    return path, write_contact_sheet(pictures, captions, path)
