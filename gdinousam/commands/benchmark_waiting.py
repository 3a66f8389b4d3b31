"""``python scripts/benchmark.py waiting``: an evaluation beside busy programs, its threads spinning or sleeping."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from gdinousam.errors import InputError

SUBFOLDER = "waiting"  # of the benchmarks' folder, whose own JSON files are those of the paper's table 6


def waiting_command(arguments: Sequence[str] | None = None) -> int:
    """Parse arguments, evaluate and print the table; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="benchmark.py waiting",
        description="Evaluate the bundled small model on generated images alone and beside busy programs, each with "
        "threads that spin while they wait, as OpenMP does unless told otherwise, and with threads that sleep, as this "
        "package tells it by OMP_WAIT_POLICY=PASSIVE. The two take turns. About 5 minutes on 2 cores.",
        epilog="exit code: 0, or 2 where it cannot be measured",
    )
    parser.add_argument(
        "--others", type=int, nargs="+", default=[0, 3], metavar="N", help="busy programs beside (default: 0 3)"
    )
    parser.add_argument("--images", type=int, default=64, help="images of an evaluation (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="evaluations of each kind (default: %(default)s)")
    parser.add_argument("--threads", type=int, help="threads of an evaluation (default: one for each core)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/benchmark"),
        metavar="FOLDER",
        help=f"gets a folder {SUBFOLDER} with the numbers as JSON and the table (default: %(default)s)",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier measurement")
    options = parser.parse_args(arguments)

    from benchmarks.waiting import WAITING_FILE, measure_waiting, waiting_table, write_waiting
    from gdinousam.evaluation.reporting.table_files import as_plain

    folder = options.out / SUBFOLDER
    if (folder / WAITING_FILE).exists() and not options.overwrite:
        raise InputError(f"{folder / WAITING_FILE} exists; name another folder with --out or add --overwrite")
    with tempfile.TemporaryDirectory() as working:
        waiting = measure_waiting(Path(working), options.others, options.images, options.repeats, options.threads)
    print(as_plain(waiting_table(waiting)))
    paths = write_waiting(waiting, folder)
    print(f"{', '.join(path.name for path in paths)} in {folder}")
    return 0
