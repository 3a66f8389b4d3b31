"""The paper's table 6, seconds per image, from measurements of ours with the printed numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from gdinousam.benchmark.measurement import Measurement, read_measurement
from gdinousam.benchmark.timing import DECODE, DETECTOR, MASK_HEAD, METHOD
from gdinousam.errors import InputError
from gdinousam.evaluation.paper_numbers import method_in_paper, paper_seconds
from gdinousam.evaluation.table_files import Cell, Column, Table, count_cell, number_cell, text_cell, text_column

DECIMALS = 3
_STAGES = (DECODE, DETECTOR, MASK_HEAD)
IDLE_SECONDS = 1e-4  # no mask head answers faster than this
_IDLE = "In most batches nothing was found, so the mask head had nothing to do."
_REMARKS = (
    "Seconds per image: median and 90th percentile over batches, one phrase per image. The method is everything from "
    "the decoded image to its masks; reading the file (decode) is not in it. The columns of stages are medians.",
    "First call: the first batch after loading, which pays for everything that is done once.",
    "Paper: table 6, means of ten runs on an NVIDIA Titan V.",
)


def read_measurements(folder: Path) -> list[Measurement]:
    """All measurements in a folder, by name of the file.

    Raises InputError where there is none, one cannot be read, or two are of methods of one name.
    """
    paths = sorted(folder.glob("*.json"))
    if not paths:
        raise InputError(f"{folder}: no measurement in it; time a method with scripts/benchmark.py --out {folder}")
    by_name: dict[str, Path] = {}
    measurements = []
    for path in paths:
        measurements.append(read_measurement(path))
        name = measurements[-1].method
        if name in by_name:
            raise InputError(f"{by_name[name]} and {path}: two measurements of {name!r}; remove or rename one")
        by_name[name] = path
    return measurements


def seconds_table(measurements: Sequence[Measurement]) -> Table:
    """One line per method, in the order of the paper's table and then as given.

    The fastest is marked where all were measured on one device with one precision and batch size.
    """
    printed = list(paper_seconds())
    places = {one.method: _place(printed, one.method) for one in measurements}
    ordered = sorted(measurements, key=lambda one: places[one.method])
    alike = len({(one.device, one.precision, one.batch_size) for one in ordered}) == 1
    fastest = min(round(one.percentile(50), DECIMALS) for one in ordered)
    columns = (
        text_column("method"),
        Column("median s", ("median s",)),
        Column("90th percentile s", ("90th percentile s",)),
        Column("paper s", ("paper s",)),
        Column("first call s", ("first call s",)),
        *(Column(f"{stage} s", (f"{stage} s",)) for stage in _STAGES),
        Column("n batches", ("n batches",)),
        Column("batch", ("batch",)),
        text_column("precision"),
        text_column("device"),
    )
    lines = [
        _line(one, best=alike and len(ordered) > 1 and round(one.percentile(50), DECIMALS) == fastest)
        for one in ordered
    ]
    here = {method_in_paper(one.method) for one in ordered}
    missing = [name for name in printed if name not in here]
    remarks = list(_REMARKS)
    if not alike:
        remarks.append("Measured on different devices or in different ways, so the lines cannot be compared.")
    if missing:
        remarks.append(f"In table 6 of the paper, but not measured here: {', '.join(missing)}.")
    return Table("Seconds per image, as table 6 of the paper", columns, tuple(lines), tuple(remarks))


def _line(one: Measurement, best: bool) -> tuple[Cell, ...]:
    name = method_in_paper(one.method)
    idle = one.percentile(50, MASK_HEAD) < IDLE_SECONDS
    sizes = f"Detector at {one.detector_input}, mask head at {one.mask_head_side} x {one.mask_head_side}."
    return (
        text_cell(one.method, (sizes, *([_IDLE] if idle else []))),
        number_cell(one.percentile(50), DECIMALS, best),
        number_cell(one.percentile(90), DECIMALS),
        number_cell(math.nan if name is None else paper_seconds()[name]),
        number_cell(one.first_call[METHOD], DECIMALS),
        *(number_cell(one.percentile(50, stage), DECIMALS) for stage in _STAGES),
        count_cell(len(one.batches)),
        count_cell(one.batch_size),
        text_cell(one.precision),
        text_cell(one.device),
    )


def _place(printed: Sequence[str], method: str) -> int:
    name = method_in_paper(method)
    return len(printed) if name is None else printed.index(name)
