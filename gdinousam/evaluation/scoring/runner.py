"""Run a method over a test set and write what it scored.

The runner knows a method only by its interface (``evaluation.scoring.methods``), so ours, every compared one, and masks
that another program made are scored by the same code.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from pathlib import Path

from gdinousam.data.sources.coco.ids import CocoIds, coco_ids
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.evaluation.scoring.cases import Case, read_ahead
from gdinousam.evaluation.scoring.detections import (
    DETECTIONS_NAME,
    DetectionsWriter,
    collect_detections,
    detection_parts,
    finish_detections,
)
from gdinousam.evaluation.scoring.kept import (
    MASKS_NAME,
    PICTURES_NAME,
    choose_pictures,
    draw_scores,
    mask_names,
    picture_path,
    read_kept,
    write_masks,
)
from gdinousam.evaluation.scoring.methods import (
    Method,
    OwnSize,
    RecordChooser,
    RecordSegmenter,
    Untimed,
    answerable,
    unsupported_phrases,
)
from gdinousam.evaluation.scoring.parts import (
    PART_NAME,
    PartWriter,
    RowsOfImage,
    collect_parts,
    part_path,
    part_paths,
    read_finished,
    read_parts,
)
from gdinousam.evaluation.scoring.protocols import score_image
from gdinousam.evaluation.scoring.results import ROWS_NAME
from gdinousam.evaluation.scoring.rows import ScoreRow, write_rows
from gdinousam.processes import Processes
from gdinousam.progress_bar import ProgressBar
from gdinousam.records import Answer, ImageRecord, PublicChooser

logger = logging.getLogger(__name__)


def evaluate(
    method: Method,
    records: Sequence[ImageRecord],
    output_dir: Path,
    batch_size: int = 4,
    num_workers: int = 4,
    num_pictures: int = 20,
    save_masks: bool = False,
    resume: bool = False,
    processes: Processes | None = None,
    ids: CocoIds | None = None,
) -> list[ScoreRow]:
    """Segment every phrase of every image and score it under both protocols.

    batch_size: images given to the method at once; it changes the speed, and of the rows at most what a method's last
    digits change.
    num_workers: threads that read images and masks ahead; 0 counts as 1. num_pictures: pictures to draw; may be 0.
    save_masks: write what was found as ``masks/``, a folder that ``SavedMasks`` reads.
    resume: go on where an interrupted run with the same records stopped, if there is one. Of a finished one the rows
    are only read, and pictures that are missing are drawn from its masks.
    processes: those that share the images; ``None``: this one alone.
    ids: numbers of images and phrases in COCO files; ``None``: those of the records.
    Writes ``rows.csv``, ``detections.json`` and ``pictures/`` into output_dir, which is made if missing; an interrupted
    run leaves ``rows.csv.part`` and ``detections.json.part``. Returns the rows in the order of the records, in all but
    the first of several processes an empty list; tables.write_tables makes the tables of them.
    Raises InputError where output_dir holds results, or where a record cannot be scored: before the method starts
    whatever the records alone tell, and on reaching it an image or mask that cannot be read.
    """
    check_records(records)
    processes = processes or Processes()
    if resume and (output_dir / ROWS_NAME).is_file():  # all processes see the same: it comes when they are through
        return _read_finished(output_dir, records) if processes.is_first else []
    names = mask_names(records) if save_masks else {}
    folders = [output_dir / PICTURES_NAME] * (num_pictures > 0) + [output_dir / MASKS_NAME] * save_masks
    done: set[int] = set()
    if processes.is_first:
        done = _begin(output_dir, records, folders, resume)
    done = processes.from_first(done)
    mine = _batches(len(records), batch_size, done)[processes.rank :: processes.count]
    to_draw = choose_pictures(len(records), num_pictures)
    ids = (ids or coco_ids(records)).with_phrases(phrase for record in records for phrase in record.phrases)
    with (
        PartWriter(part_path(output_dir, processes.rank)) as writer,
        DetectionsWriter(output_dir, processes.rank, ids) as found,
        _bar(mine, processes) as bar,
    ):
        for cases in read_ahead(records, mine, num_workers):
            if isinstance(method, OwnSize):
                cases = [method.at_scored_size(case) for case in cases]
            answers, seconds = _answer(method, cases)
            for case, answer in zip(cases, answers, strict=True):
                if case.number in done:
                    continue
                detections, unsupported = answer.detections, unsupported_phrases(method, case.record)
                public_choice = answer.public_choices.get(case.record.last_phrase)
                rows = score_image(case.record, detections, case.truth, seconds, public_choice, unsupported)
                # The rows come last, because they say that an image is done.
                if case.number in to_draw:
                    picture = draw_scores(case.image, case.record, case.truth, detections, rows)
                    write_picture(picture, picture_path(output_dir, case.number, case.record))
                if save_masks:
                    # a black mask would say that nothing was found
                    of_image = {one: name for one, name in names[case.record.path].items() if one not in unsupported}
                    write_masks(output_dir / MASKS_NAME, of_image, case.record, detections)
                found.append(case.number, case.record, detections)
                writer.append(case.number, rows)
            bar.update(len(cases))
    processes.wait()
    return _finish(output_dir, records) if processes.is_first else []


def _draw_missing(
    output_dir: Path, records: Sequence[ImageRecord], rows: Sequence[ScoreRow], num_pictures: int, num_workers: int
) -> None:
    """Draw the pictures that a finished evaluation lacks, from the masks that it kept; without masks there are none."""
    wanted = sorted(choose_pictures(len(records), num_pictures))
    missing = [number for number in wanted if not picture_path(output_dir, number, records[number]).exists()]
    if not missing:
        return
    if not (output_dir / MASKS_NAME).is_dir():
        logger.warning("%d pictures are not there, and no masks to draw them from were kept", len(missing))
        return
    names = mask_names(records)
    rows_of: dict[tuple[str, str], list[ScoreRow]] = {}
    for row in rows:
        rows_of.setdefault((row.dataset, row.image_name), []).append(row)
    (output_dir / PICTURES_NAME).mkdir(exist_ok=True)
    for (case,) in read_ahead(records, [[number] for number in missing], num_workers):
        of_image = rows_of[case.record.dataset, case.record.path.name]
        found = read_kept(output_dir / MASKS_NAME, names[case.record.path], case.record, of_image)
        picture = draw_scores(case.image, case.record, case.truth, found, of_image)
        write_picture(picture, picture_path(output_dir, case.number, case.record))
    logger.info("drew %d pictures from the masks that were kept", len(missing))


def check_records(records: Sequence[ImageRecord]) -> None:
    """Raise InputError for the first record that cannot be scored; warn where one mask stands for several phrases.

    Scorable: there is a record, each lists all its phrases, and each instance has a mask.
    """
    if not records:
        raise InputError("no images to evaluate; give a test CSV with at least one row")
    for record in records:
        if not record.phrases:
            raise InputError(f"{record.path}: no phrase to look for; give the image a row with a label_name")
        unasked = {record.last_phrase, *(instance.phrase for instance in record.instances)} - set(record.phrases)
        if unasked:
            raise InputError(
                f"{record.path}: {sorted(unasked)} is not among the phrases of the record; list every phrase of its "
                "instances, and last_phrase, in phrases"
            )
        for instance in record.instances:
            if instance.mask is None:
                raise InputError(
                    f"{record.path}: no mask of {instance.phrase!r} to score against; put it beside the image or name "
                    "it in the column mask_name"
                )
    num_shared = sum(_shares_a_mask(record) for record in records)
    if num_shared:
        logger.warning(
            "%d images have one mask for several phrases, so the strict protocol scores each of these phrases against "
            "all of it; give every phrase its own mask in the column mask_name",
            num_shared,
        )


def _begin(output_dir: Path, records: Sequence[ImageRecord], folders: Sequence[Path], resume: bool) -> set[int]:
    """Make the folders and return the numbers of the images that an earlier run has scored."""
    for name in (ROWS_NAME, PART_NAME, DETECTIONS_NAME, PICTURES_NAME, MASKS_NAME):
        if (output_dir / name).exists() and not resume:
            raise InputError(
                f"{output_dir}: holds {name} of an earlier evaluation; give another folder or move it away"
            )
    done: RowsOfImage = {}
    if resume and part_paths(output_dir):
        done = collect_parts(output_dir, records, collect_detections(output_dir))
        logger.info("%d of %d images are scored already", len(done), len(records))
    for folder in [output_dir, *folders]:
        folder.mkdir(parents=True, exist_ok=True)
    return set(done)


def _read_finished(output_dir: Path, records: Sequence[ImageRecord]) -> list[ScoreRow]:
    rows = read_finished(output_dir / ROWS_NAME, records)
    _remove_parts(output_dir)  # a program may have been killed just before it would have done so
    return rows


def _remove_parts(output_dir: Path) -> None:
    for path in (*part_paths(output_dir), *detection_parts(output_dir)):
        path.unlink()


def _finish(output_dir: Path, records: Sequence[ImageRecord]) -> list[ScoreRow]:
    """Bring the rows of all processes into the order of the records, as the file that stays."""
    done = read_parts(output_dir, records)
    num_missing = len(records) - len(done)
    if num_missing:
        raise InputError(
            f"{output_dir}: {num_missing} of {len(records)} images have no rows; all processes must write into one "
            "folder. Go on with --resume"
        )
    finish_detections(output_dir, done)  # before the rows, by which a finished evaluation is known
    rows = [row for number in range(len(records)) for row in done[number]]
    write_rows(output_dir / ROWS_NAME, rows)
    _remove_parts(output_dir)
    logger.info("scored %d images, %d rows in %s", len(records), len(rows), output_dir / ROWS_NAME)
    return rows


def _answer(method: Method, cases: Sequence[Case]) -> tuple[list[Answer], float]:
    """What the method says of each image, and its seconds per image, nan where they say nothing."""
    records = [answerable(method, case.record) for case in cases]
    images = [case.image for case in cases]
    begin = time.perf_counter()
    # Masks are arrays of numpy, so the work of a GPU is over when they are here.
    if isinstance(method, RecordChooser):
        answers = method.segment_and_choose_records(images, records)
    elif isinstance(method, RecordSegmenter):
        answers = [Answer(detections) for detections in method.segment_records(images, records)]
    elif isinstance(method, PublicChooser):
        # An image without an object is not a query of the paper protocol.
        chosen = [(record.last_phrase,) if record.instances else () for record in records]
        answers = method.segment_and_choose(images, [record.phrases for record in records], chosen)
    else:
        answers = [Answer(found) for found in method.segment(images, [record.phrases for record in records])]
    seconds, num_asked = time.perf_counter() - begin, sum(bool(record.phrases) for record in records)
    return answers, math.nan if isinstance(method, Untimed) or not num_asked else seconds / num_asked


def _batches(num_images: int, batch_size: int, done: set[int]) -> list[range]:
    """Numbers of the images that go to the method together: the same batches whatever is done and whoever does them.

    The last digits of a model's answers follow the batch that an image is in; so they do not follow the processes, nor
    where a run was interrupted.
    """
    batches = [range(start, min(start + batch_size, num_images)) for start in range(0, num_images, batch_size)]
    return [batch for batch in batches if not done.issuperset(batch)]


def _bar(batches: Sequence[range], processes: Processes) -> ProgressBar:
    what = "evaluating" if processes.count == 1 else f"evaluating, share of 1 of {processes.count} processes"
    return ProgressBar(sum(map(len, batches)), what, is_shown=processes.is_first)


def _shares_a_mask(record: ImageRecord) -> bool:
    pairs = {(instance.mask, instance.phrase) for instance in record.instances}
    return len({mask for mask, _ in pairs}) < len(pairs)
