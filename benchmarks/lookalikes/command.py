"""``python scripts/benchmark.py lookalikes DATA``: which altered copies are found, and which strangers."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.lookalikes.search import SHEET, Found, measure_lookalikes, read_pictures
from benchmarks.machine import machine_facts, versions
from benchmarks.record import Record, add_output_options, command_text, publish, record_path
from gdinousam.errors import InputError
from gdinousam.evaluation.reporting.table import (
    Table,
    count_cell,
    number_cell,
    number_columns,
    text_cell,
    text_column,
)

NAME = "lookalikes"


@dataclass(frozen=True)
class Lookalikes(Record):
    """What was found, and where."""

    found: Found

    def content(self) -> dict[str, Any]:
        """Everything on one level."""
        content = super().content()
        found = content.pop("found")
        return content | found


def lookalikes_command(arguments: Sequence[str]) -> int:
    """Parse arguments, search and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=f"benchmark.py {NAME}",
        description="Alter images in many ways and count the copies that the search for near-duplicates finds, then "
        "list the images of different groups that it takes for near-duplicates, on a sheet to look at. "
        "About 2 minutes for 500 copies among 3,500 images on two cores.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="folder with train.CSV, val.CSV, test.CSV; or an image file"
    )
    parser.add_argument("--copies", type=int, default=500, metavar="N", help="images to alter (default: %(default)s)")
    add_output_options(parser, f"a folder {NAME} with the numbers as JSON, tables and the sheet")
    options = parser.parse_args(arguments)
    path = record_path(options.out / NAME, NAME, options.overwrite)
    if options.copies < 1:
        raise InputError(f"--copies is {options.copies}; give 1 or more")
    pictures = read_pictures(options.data)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = measure_lookalikes(pictures, options.copies, path.parent)
    record = Lookalikes(command_text(NAME, arguments), machine_facts(torch.device("cpu")), versions(), found)
    publish(record, {"copies": recall_table(found), "strangers": strangers_table(found)}, path)
    return 0


def recall_table(found: Found) -> Table:
    """A line for each alteration."""
    lines = [
        (text_cell(name), count_cell(found.num_copies), count_cell(num), number_cell(100 * num / found.num_copies))
        for name, num in found.found.items()
    ]
    columns = (text_column("copy"), *number_columns("n", "found", "%"))
    return Table("Copies that are found", columns, tuple(lines))


def strangers_table(found: Found) -> Table:
    """A line for each dataset and one for pairs across datasets."""
    num_found = Counter(pair.dataset for pair in found.strangers)
    lines = [
        (
            text_cell(dataset),
            count_cell(found.num_images.get(dataset, sum(found.num_images.values()))),
            count_cell(num),
            count_cell(num_found[dataset]),
        )
        for dataset, num in found.num_strangers.items()
    ]
    return Table(
        "Pictures of different groups that are taken for copies",
        (text_column("dataset"), *number_columns("images", "pairs of different groups", "found")),
        tuple(lines),
        (
            f"The search through all pictures took {found.seconds:.1f} s. A group is a patient only where the release "
            f"tells patients; {SHEET} shows what was found, the least alike first.",
        ),
    )
