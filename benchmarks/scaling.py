"""``python scripts/benchmark.py scaling``: whether evaluating ten times the images takes ten times as long.

Each number of images is evaluated in a process of its own, whose peak memory is therefore its alone. A few generated
images under many names stand for a large test set.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.inputs import write_test_set
from benchmarks.machine import machine_facts, resident_bytes, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.data.contract.reading import read_records, write_records
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import Table, count_cell, number_cell, number_columns
from gdinousam.evaluation.reporting.tables import write_tables
from gdinousam.evaluation.scoring.rows import ScoreRow
from gdinousam.evaluation.scoring.runner import evaluate
from gdinousam.evaluation.timing.clock import Clock
from gdinousam.models.bundled import SMALL
from gdinousam.models.loading import pick_device
from gdinousam.models.segmenter import load_segmenter
from gdinousam.runtime import keep_freed_memory

NAME = "scaling"
COUNTS = (100, 1000, 10_000)
NUM_DISTINCT = 200  # images that are drawn; more only take longer to draw
_MIB, _KIB = 2**20, 2**10
_REMARKS = (
    "Whole: reading images and masks, segmenting, scoring and writing rows and 20 pictures, divided by the number of "
    "images. First and last tenth: median seconds of the method alone over the first and last tenth of the images.",
    "Tables: reading the CSV before and making the tables after the evaluation, in all.",
    "Memory: the most that was resident in the process until the rows were written, and until the tables were. Per "
    "further image: how much more that is than on the line above, divided by how many more images.",
)


@dataclass(frozen=True)
class ScaledEvaluation:
    """One evaluation.

    num_images: images of its CSV. read_seconds: CSV to records. seconds_per_image: the whole evaluation divided by
    num_images. first_tenth_seconds, last_tenth_seconds: median seconds that the method took for an image, over the
    first and the last tenth of the images, at least one. tables_seconds: making the tables of the rows.
    loaded_bytes: resident memory with the models loaded and no image read. peak_bytes: the most memory that was
    resident until the rows were written. peak_bytes_with_tables: the same until the tables were.
    Memory is that of the machine, not of a GPU; ``None`` where the system is not Linux.
    """

    num_images: int
    read_seconds: float
    seconds_per_image: float
    first_tenth_seconds: float
    last_tenth_seconds: float
    tables_seconds: float
    loaded_bytes: int | None
    peak_bytes: int | None
    peak_bytes_with_tables: int | None


@dataclass(frozen=True)
class Scaling(Record):
    """Evaluations of growing numbers of images.

    evaluations: by rising number of images. num_distinct: different images among them. batch_size: images given to the
    method at once.
    """

    evaluations: tuple[ScaledEvaluation, ...]
    num_distinct: int
    batch_size: int


def scaling_command(arguments: Sequence[str]) -> int:
    """Parse arguments, evaluate and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Evaluate the bundled small model on growing numbers of generated images, each number in a process "
        "of its own, and print seconds per image and peak memory. At 0.08 seconds per image, as on one core, "
        "10000 take a quarter of an hour.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        default=list(COUNTS),
        metavar="N",
        help="numbers of images (default: 100 1000 10000)",
    )
    parser.add_argument("--batch-size", type=int, default=4, help="images given at once (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON and the table")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    if options.batch_size < 1:
        raise InputError(f"--batch-size is {options.batch_size}; give 1 or more")
    with tempfile.TemporaryDirectory() as working:
        scaling = measure_scaling(
            Path(working),
            options.counts,
            batch_size=options.batch_size,
            device=options.device,
            command=command_text(NAME, arguments),
        )
    publish(scaling, {"images": scaling_table(scaling)}, path)
    return 0


def measure_scaling(
    folder: Path,
    counts: Sequence[int] = COUNTS,
    num_distinct: int = NUM_DISTINCT,
    batch_size: int = 4,
    device: str = "auto",
    command: str = "",
) -> Scaling:
    """Evaluate the bundled small model on so many images, once for each of counts, each time in a new process.

    folder: gets the images and evaluations; new or empty. num_distinct: images to draw, of all families of phantoms; a
    count beyond takes them again under other names. device: ``auto``, ``cpu`` or ``cuda``. command: for the record.
    Raises InputError for no count or one below 1, a folder in use, and a process that dies, as one without memory does.
    """
    counts = sorted(set(counts))
    if not counts or counts[0] < 1:
        raise InputError(f"numbers of images are {list(counts)}; give at least one, each 1 or more")
    num_distinct = min(num_distinct, counts[-1])
    csv_paths = _write_test_sets(folder, counts, num_distinct)
    evaluations = []
    for count, csv_path in zip(counts, csv_paths, strict=True):
        # spawned and not forked: it starts without the memory of this process
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            try:
                evaluations.append(pool.submit(_evaluate, csv_path, batch_size, device).result())
            except BrokenProcessPool as error:
                raise InputError(f"the evaluation of {count} images died, of too little memory perhaps") from error
    return Scaling(
        command, machine_facts(pick_device(device)), versions(), tuple(evaluations), num_distinct, batch_size
    )


def scaling_table(scaling: Scaling) -> Table:
    """One line per number of images; memory of other systems than Linux is "-"."""
    titles = (
        "images",
        "whole s per image",
        "first tenth s",
        "last tenth s",
        "tables s",
        "peak MiB",
        "with tables MiB",
        "per further image KiB",
    )
    before: list[ScaledEvaluation | None] = [None, *scaling.evaluations]
    lines = [
        (
            count_cell(one.num_images),
            *(
                number_cell(seconds, 4)
                for seconds in (one.seconds_per_image, one.first_tenth_seconds, one.last_tenth_seconds)
            ),
            number_cell(one.read_seconds + one.tables_seconds, 2),
            number_cell(_in(one.peak_bytes, _MIB), 0),
            number_cell(_in(one.peak_bytes_with_tables, _MIB), 0),
            number_cell(_growth(smaller, one), 1),
        )
        for smaller, one in zip(before, scaling.evaluations, strict=False)
    ]
    given = f"Bundled small model, batches of {scaling.batch_size}, {scaling.num_distinct} different images"
    remarks = (*_REMARKS, f"{given}; {scaling.machine_text}.")
    return Table("Evaluation against the number of images", number_columns(*titles), tuple(lines), remarks)


def _write_test_sets(folder: Path, counts: Sequence[int], num_distinct: int) -> list[Path]:
    """Draw the images, give them as many names as the largest count asks for, and write a CSV for each count."""
    data = write_test_set(folder, num_distinct)
    records = read_records(data / "test.CSV", data / "test_image", data / "test_mask")
    images = _images(folder)
    images.mkdir()
    named = []
    for number in range(counts[-1]):
        record = records[number % len(records)]
        named.append(replace(record, path=images / f"{number:06d}.png"))
        named[-1].path.hardlink_to(record.path)
    csv_paths = [folder / f"{count}.csv" for count in counts]
    for count, csv_path in zip(counts, csv_paths, strict=True):
        write_records(named[:count], csv_path)
    return csv_paths


def _images(folder: Path) -> Path:
    return folder / "images"


def _evaluate(csv_path: Path, batch_size: int, device_name: str) -> ScaledEvaluation:
    """Everything that test.py does with a checked CSV, into the folder named like it, with time and memory."""
    device = pick_device(device_name)
    if device.type == "cpu":
        keep_freed_memory()  # as test.py does
    segmenter = load_segmenter(SMALL, SMALL, device=device_name)
    loaded = resident_bytes("VmRSS")
    output_dir = csv_path.with_suffix("")
    clock = Clock(device)
    with clock.running("read"):
        records = read_records(csv_path, _images(csv_path.parent), csv_path.parent / "data" / "test_mask")
    with clock.running("evaluate"):
        rows = evaluate(segmenter, records, output_dir, batch_size)
    peak = resident_bytes("VmHWM")
    with clock.running("tables"):
        write_tables(rows, output_dir)
    whole = clock.take()
    seconds = _seconds_by_image(rows)
    tenth = max(1, len(seconds) // 10)
    return ScaledEvaluation(
        num_images=len(records),
        read_seconds=whole["read"],
        seconds_per_image=whole["evaluate"] / len(records),
        first_tenth_seconds=float(np.median(seconds[:tenth])),
        last_tenth_seconds=float(np.median(seconds[-tenth:])),
        tables_seconds=whole["tables"],
        loaded_bytes=loaded,
        peak_bytes=peak,
        peak_bytes_with_tables=resident_bytes("VmHWM"),
    )


def _seconds_by_image(rows: Sequence[ScoreRow]) -> list[float]:
    """What the method took for each image, in the order of the rows: its strict rows share that out."""
    seconds: dict[str, float] = {}
    for row in rows:
        if row.protocol == "strict":
            seconds[row.image_name] = seconds.get(row.image_name, 0.0) + row.seconds
    return list(seconds.values())


def _in(size: int | None, unit: int) -> float:
    return math.nan if size is None else size / unit


def _growth(smaller: ScaledEvaluation | None, larger: ScaledEvaluation) -> float:
    """KiB that each further image adds to the peak of the whole; nan where nothing is there to compare with."""
    if smaller is None:
        return math.nan
    more = _in(larger.peak_bytes_with_tables, _KIB) - _in(smaller.peak_bytes_with_tables, _KIB)
    return more / (larger.num_images - smaller.num_images)
