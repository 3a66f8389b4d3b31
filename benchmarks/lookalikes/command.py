"""``python scripts/benchmark.py lookalikes DATA``: which altered copies are found, and which strangers."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from gdinousam.errors import InputError

SUBFOLDER = "lookalikes"  # of the benchmarks' folder, whose own JSON files are those of the paper's table 6


def lookalikes_command(arguments: Sequence[str]) -> int:
    """Parse arguments, search and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py lookalikes",
        description="Alter images in many ways and count the copies that the search for near-duplicates finds, then "
        "list the images of different groups that it takes for near-duplicates, on a sheet to look at. "
        "About 2 minutes for 500 copies among 3,500 images on two cores.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "data", nargs="+", type=Path, metavar="DATA", help="folder with train.CSV, val.CSV, test.CSV; or an image file"
    )
    parser.add_argument("--copies", type=int, default=500, metavar="N", help="images to alter (default: %(default)s)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/benchmark"),
        metavar="FOLDER",
        help=f"gets a folder {SUBFOLDER} with the numbers as JSON, tables and the sheet (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier measurement")
    options = parser.parse_args(arguments)

    from benchmarks.machine import machine_facts, versions
    from benchmarks.lookalikes.search import (
        RECORD,
        measure_lookalikes,
        read_pictures,
        recall_table,
        strangers_table,
        write_found,
    )
    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.models.loading import pick_device

    folder = options.out / SUBFOLDER
    if (folder / RECORD).exists() and not options.overwrite:
        raise InputError(f"{folder / RECORD} exists; name another folder with --out or add --overwrite")
    if options.copies < 1:
        raise InputError(f"--copies is {options.copies}; give 1 or more")
    pictures = read_pictures(options.data)
    folder.mkdir(parents=True, exist_ok=True)
    found = measure_lookalikes(pictures, options.copies, folder)
    tables = {"copies": recall_table(found), "strangers": strangers_table(found)}
    print("\n".join(map(as_plain, tables.values())))
    command = f"python scripts/benchmark.py lookalikes {shlex.join(arguments)}"
    facts = {"command": command, "machine": machine_facts(pick_device("cpu")), "versions": versions()}
    paths = [write_found(found, facts, folder), *write_table_files(tables, folder, SUBFOLDER)]
    print(f"{', '.join(path.name for path in paths)} in {folder}")
    return 0
