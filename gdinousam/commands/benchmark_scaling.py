"""``python scripts/benchmark.py scaling``: evaluation time and memory against the number of images."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gdinousam.errors import InputError

SUBFOLDER = "scaling"  # of the benchmarks' folder, whose own JSON files are those of the paper's table 6


def scaling_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, evaluate and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py scaling",
        description="Evaluate the bundled small model on growing numbers of generated images, each number in a process "
        "of its own, and print seconds per image and peak memory. At 0.08 seconds per image, as on one core, "
        "10000 take a quarter of an hour.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "--counts",
        type=int,
        nargs="+",
        default=[100, 1000, 10_000],
        metavar="N",
        help="numbers of images (default: 100 1000 10000)",
    )
    parser.add_argument("--batch-size", type=int, default=4, help="images given at once (default: %(default)s)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/benchmark"),
        metavar="FOLDER",
        help=f"gets a folder {SUBFOLDER} with the numbers as JSON and the table (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier measurement")
    options = parser.parse_args(arguments)

    from benchmarks.scaling import SCALING_FILE, measure_scaling, scaling_table, write_scaling
    from gdinousam.evaluation.reporting.table_files import as_plain

    folder = options.out / SUBFOLDER
    if (folder / SCALING_FILE).exists() and not options.overwrite:
        raise InputError(f"{folder / SCALING_FILE} exists; name another folder with --out or add --overwrite")
    if options.batch_size < 1:
        raise InputError(f"--batch-size is {options.batch_size}; give 1 or more")
    with tempfile.TemporaryDirectory() as working:
        scaling = measure_scaling(Path(working), options.counts, batch_size=options.batch_size, device=options.device)
    print(as_plain(scaling_table(scaling)))
    paths = write_scaling(scaling, folder)
    print(f"{', '.join(path.name for path in paths)} in {folder}")
    return 0
