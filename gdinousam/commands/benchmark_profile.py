"""``python scripts/benchmark.py profile``: where the time of our pipeline goes, operator by operator."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from gdinousam.errors import InputError

TABLES = "profile"


def profile_command(arguments: Sequence[str]) -> int:
    """Parse arguments, profile and print the tables; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py profile",
        description="Run our pipeline on one generated image under torch's profiler and print the slowest operators, "
        "and how long the arithmetic and the memory traffic alone would take on this machine.",
        epilog="exit code: 0, or 2 where it cannot be profiled",
    )
    parser.add_argument("--size", choices=("small", "full"), default="full", help="default: %(default)s")
    parser.add_argument(
        "--mask-head",
        choices=("tiny", "small", "base_plus", "large"),
        default="large",
        help="SAM2.1 of the full size (default: %(default)s)",
    )
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32", help="default: %(default)s")
    parser.add_argument("--prompts", type=int, default=1, metavar="N", help="prompts of the image (default: 1)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: %(default)s")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/benchmark"),
        metavar="FOLDER",
        help="gets a folder with the tables for each size, precision, device and number of prompts",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier profile of this kind")
    options = parser.parse_args(arguments)
    if options.prompts < 1:
        raise InputError(f"--prompts is {options.prompts}; give 1 or more")

    from benchmarks.operators import profile_pipeline
    from gdinousam.evaluation.reporting.table_files import as_plain, write_table_files
    from gdinousam.models.loading import pick_device

    device = pick_device(options.device).type
    folder = options.out / f"{TABLES}_{options.size}_{options.precision}_{device}_{options.prompts}"
    if folder.exists() and not options.overwrite:
        raise InputError(f"{folder} exists; name another folder with --out or add --overwrite")
    operators, floor = profile_pipeline(
        options.size, options.mask_head, options.precision, options.prompts, options.device
    )
    print(as_plain(operators), as_plain(floor), sep="\n")
    folder.mkdir(parents=True, exist_ok=True)
    paths = write_table_files({"operators": operators, "floor": floor}, folder, TABLES)
    print(f"{', '.join(path.name for path in paths)} in {folder}")
    return 0
