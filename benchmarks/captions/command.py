"""``python scripts/benchmark.py captions``: what it costs and what it changes to ask for phrases in one caption."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.captions.questions import MAX_PHRASES, questions, spread
from benchmarks.captions.ways import (
    BESIDE,
    TEXT_THRESHOLD_BESIDE,
    Way,
    curves_of,
    detector_turns,
    quiet_point,
    scores_at,
    segmenters,
    ways_to_ask,
)
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.data.sources.phantoms.families import FAMILIES
from gdinousam.data.sources.phantoms.writing import write_phantoms
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.statistics import Interval
from gdinousam.evaluation.reporting.table import (
    Cell,
    Column,
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)
from gdinousam.models.bundled import SMALL
from gdinousam.models.loading import pick_device
from gdinousam.models.mask_heads.sam2 import MaskHead
from gdinousam.models.segmenter import TextSegmenter, load_segmenter
from gdinousam.records import ImageRecord

NAME = "captions"
_NUM_PHANTOMS = 120  # of each split
_REMARKS = (
    "Every image is asked for one phrase that it shows and others that name another organ, with 1 phrase in two runs.",
    "Dice: strict, of the phrases that are there. False positives: absent phrases that get a box. Both in percent with "
    "95 % intervals over patients, else images, at a threshold chosen on validation images for each line: that of the "
    "fewest false positives whose Dice is at most 1 point below the best. Area: under the ROC curve of the best score, "
    "which no threshold changes.",
    "ms: of the detector for one image and all its phrases, the ways in turns; on a CPU processor time of all threads.",
    f"With phrases beside, prediction.text_threshold is {TEXT_THRESHOLD_BESIDE}.",
)


@dataclass(frozen=True)
class Captions(Record):
    """All ways to ask. beside: what stood beside the phrases. num_images: test images with a target."""

    ways: tuple[Way, ...]
    beside: tuple[str, ...]
    num_images: int


def captions_command(arguments: Sequence[str]) -> int:
    """Parse arguments, ask and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Ask the bundled small model for several phrases of every image, in one caption for each phrase "
        "and in one for all, with and without further phrases beside them, and print time, Dice and false positives. "
        "About a quarter of an hour for 1000 images on one core.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "data",
        nargs="?",
        type=Path,
        metavar="DATA",
        help="folder with val.CSV, val, val_mask, test.CSV, test_image, test_mask (default: generated images)",
    )
    parser.add_argument(
        "--phrases", type=int, nargs="+", default=[1, 4, 20], metavar="N", help="of an image (default: 1 4 20)"
    )
    parser.add_argument("--images", type=int, metavar="N", help="images of each split, evenly spread (default: all)")
    parser.add_argument("--runs", type=int, default=30, metavar="N", help="timed, of each way (default: %(default)s)")
    parser.add_argument(
        "--beside", nargs="*", default=list(BESIDE), metavar="PHRASE", help=f"default: {', '.join(BESIDE)}"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    captions = measure_captions(
        options.data,
        options.phrases,
        options.images,
        options.runs,
        options.beside,
        options.device,
        command_text(NAME, arguments),
    )
    publish(captions, {NAME: captions_table(captions)}, path)
    return 0


def measure_captions(
    data: Path | None,
    numbers_of_phrases: Sequence[int],
    max_images: int | None = None,
    num_runs: int = 30,
    beside: Sequence[str] = BESIDE,
    device: str = "auto",
    command: str = "",
) -> Captions:
    """Ask the bundled small model for so many phrases of each image in every way of ``ways_to_ask``.

    data: folder in the CSV layout with val and test; ``None``: generated images. max_images: of each split, evenly
    spread; ``None``: all with a target. num_runs: of the detector, of each way, timed. device: ``auto``, ``cpu`` or
    ``cuda``. command: for the record. Raises InputError for a number too low or too high, a split without targets, a
    phrase whose organ is not known and a folder that cannot be read.
    """
    if not numbers_of_phrases or not 1 <= min(numbers_of_phrases) <= max(numbers_of_phrases) <= MAX_PHRASES:
        raise InputError(f"numbers of phrases are {list(numbers_of_phrases)}; give some from 1 to {MAX_PHRASES}")
    if num_runs < 1 or (max_images is not None and max_images < 1):
        raise InputError("give numbers of images and runs of 1 or more")
    with tempfile.TemporaryDirectory() as working:
        if data is None:
            data, count = Path(working) / "phantoms", min(max_images or _NUM_PHANTOMS, _NUM_PHANTOMS)
            write_phantoms(data, 0, count, count, families=FAMILIES)
        validation = spread(data / "val.CSV", data / "val", data / "val_mask", max_images)
        test = spread(data / "test.CSV", data / "test_image", data / "test_mask", max_images)
        ways = _measured(
            load_segmenter(SMALL, SMALL, device=device), validation, test, numbers_of_phrases, beside, num_runs
        )
    return Captions(command, machine_facts(pick_device(device)), versions(), ways, tuple(beside), len(test))


def _measured(
    loaded: TextSegmenter[MaskHead],
    validation: Sequence[ImageRecord],
    test: Sequence[ImageRecord],
    numbers_of_phrases: Sequence[int],
    beside: Sequence[str],
    num_runs: int,
) -> tuple[Way, ...]:
    asking = segmenters(loaded, ways_to_ask(beside))
    measured = []
    for num_phrases in numbers_of_phrases:
        of_validation, of_test = questions(validation, num_phrases), questions(test, num_phrases)
        turns = detector_turns(asking, of_test, num_runs)
        for name, segmenter in asking.items():
            point = quiet_point(curves_of(segmenter, of_validation))
            scores = scores_at(curves_of(segmenter, of_test), point)
            measured.append(Way("float32", None, turns[name], name, num_phrases, point.model_dump(), *scores))
    return tuple(measured)


def captions_table(captions: Captions) -> Table:
    """A line for each number of phrases and way."""
    columns = (
        Column("phrases", ("phrases",)),
        text_column("captions"),
        *number_columns("n", "ms, median", "90th percentile"),
        _percent_column("Dice %"),
        *number_columns("absent n"),
        _percent_column("false positives %"),
        *number_columns("area", "from score"),
    )
    lines = tuple(
        (
            count_cell(way.num_phrases),
            text_cell(way.name),
            count_cell(len(way.runs)),
            number_cell(1000 * way.percentile(50), 1),
            number_cell(1000 * way.percentile(90), 1),
            _percent_cell(way.dice),
            count_cell(way.false_positives.num_values),
            _percent_cell(way.false_positives),
            number_cell(way.area, 3),
            number_cell(way.point["box_threshold"], 3),
        )
        for way in captions.ways
    )
    remarks = (
        *_REMARKS,
        f"Beside: {', '.join(captions.beside) or 'nothing'}. Bundled small model, {captions.num_images} test images.",
        f"Machine: {captions.machine_text}.",
    )
    return Table("One caption for all phrases of an image, or one each", columns, lines, remarks)


def _percent_column(title: str) -> Column:
    return Column(title, (title, f"{title} low", f"{title} high"))


def _percent_cell(interval: Interval) -> Cell:
    values = tuple(100 * value for value in (interval.mean, interval.low, interval.high))
    mean, low, high = (number_cell(value, 1).text for value in values)
    return Cell(f"{mean} [{low}, {high}]", values)
