"""Run a method over a test set and write what it scored.

The runner knows a method only as a Segmenter, so ours and every compared one are scored by the same code.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from gdinousam.data.images import read_image, union_mask
from gdinousam.drawing import write_picture
from gdinousam.errors import InputError
from gdinousam.evaluation.pictures import choose_pictures, draw_scores
from gdinousam.evaluation.protocols import score_image
from gdinousam.evaluation.rows import PARTIAL_SUFFIX, RowWriter, ScoreRow
from gdinousam.records import Detection, Image, ImageRecord, Mask, Query, Segmenter

logger = logging.getLogger(__name__)

ROWS_NAME = "rows.csv"
PICTURES_NAME = "pictures"
BATCHES_AHEAD = 2  # read while the method works: enough to hide decoding, few enough to fit in memory


def evaluate(
    segmenter: Segmenter,
    records: Sequence[ImageRecord],
    output_dir: Path,
    batch_size: int = 4,
    num_workers: int = 4,
    num_pictures: int = 20,
) -> list[ScoreRow]:
    """Segment every phrase of every image and score it under both protocols.

    batch_size: images given to the method at once; it changes the speed, not the rows.
    num_workers: threads that read images and masks ahead; 0 counts as 1. num_pictures: pictures to draw; may be 0.
    Writes ``rows.csv`` and ``pictures/`` into output_dir, which is made if missing; an interrupted run leaves
    ``rows.csv.part``. Returns the rows in the order of the records; tables.write_tables makes the tables of them.
    Raises InputError where output_dir holds results, or where a record cannot be scored: before the method starts
    whatever the records alone tell, and on reaching it an image or mask that cannot be read.
    """
    check_records(records)
    _refuse_results(output_dir)
    output_dir.mkdir(parents=True, exist_ok=True)
    to_draw = choose_pictures(len(records), num_pictures)
    if to_draw:
        (output_dir / PICTURES_NAME).mkdir()
    all_rows: list[ScoreRow] = []
    number = 0
    with RowWriter(output_dir / ROWS_NAME) as writer, tqdm(total=len(records), unit="image", disable=None) as bar:
        for cases in _read_ahead(records, batch_size, num_workers):
            answers = segmenter.segment([one.image for one in cases], [one.record.phrases for one in cases])
            for case, detections in zip(cases, answers, strict=True):
                rows = score_image(case.record, detections, case.truth)
                writer.append(rows)
                all_rows += rows
                if number in to_draw:
                    _write_picture(output_dir, number, case, detections, rows)
                number += 1
            bar.update(len(cases))
    logger.info("scored %d images, %d rows in %s", len(records), len(all_rows), output_dir / ROWS_NAME)
    return all_rows


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


def _shares_a_mask(record: ImageRecord) -> bool:
    pairs = {(instance.mask, instance.phrase) for instance in record.instances}
    return len({mask for mask, _ in pairs}) < len(pairs)


def _refuse_results(output_dir: Path) -> None:
    for name in (ROWS_NAME, ROWS_NAME + PARTIAL_SUFFIX, PICTURES_NAME):
        if (output_dir / name).exists():
            raise InputError(
                f"{output_dir}: holds {name} of an earlier evaluation; give another folder or move it away"
            )


@dataclass(frozen=True, eq=False)
class _Case:
    """A record with its image, (H, W, 3) uint8 RGB, and per phrase the union of its masks, (H, W) bool."""

    record: ImageRecord
    image: Image
    truth: dict[str, Mask]


def _read_ahead(records: Sequence[ImageRecord], batch_size: int, num_workers: int) -> Iterator[list[_Case]]:
    """Batches in the order of the records; threads suffice because decoding releases Python's lock."""
    waiting: deque[list[Future[_Case]]] = deque()
    with ThreadPoolExecutor(max(1, num_workers)) as pool:
        for start in range(0, len(records), batch_size):
            waiting.append([pool.submit(_read, record) for record in records[start : start + batch_size]])
            if len(waiting) > BATCHES_AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]


def _read(record: ImageRecord) -> _Case:
    image = read_image(record.path)
    if image.shape[:2] != (record.height, record.width):
        raise InputError(
            f"{record.path}: {image.shape[1]} x {image.shape[0]} pixels, but the CSV says {record.width} x "
            f"{record.height}; correct image_width and image_height"
        )
    size_hw = (record.height, record.width)
    truth = {phrase: union_mask(Query(record, phrase).instances, size_hw) for phrase in record.phrases}
    return _Case(record, image, truth)


def _write_picture(
    output_dir: Path, number: int, case: _Case, detections: Sequence[Detection], rows: Sequence[ScoreRow]
) -> None:
    # The number keeps images of one name from two datasets apart.
    path = output_dir / PICTURES_NAME / f"{number:05d}_{case.record.path.stem}.png"
    write_picture(draw_scores(case.image, case.record, case.truth, detections, rows), path)
