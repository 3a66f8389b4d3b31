"""``gdinousam report``: results as one HTML page with tables, plots and a gallery."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gdinousam.commands.common import add_overwrite_option, refuse_earlier, run
from gdinousam.commands.figures import add_comparison_options

if TYPE_CHECKING:
    from gdinousam.evaluation.reporting.table import Table

PROGRAM = "gdinousam report"


def main(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> NoReturn:
    """Entry point. program: how it was called."""
    sys.exit(run(report_command, arguments, program))


def report_command(arguments: Sequence[str] | None = None, program: str = PROGRAM) -> int:
    """Parse arguments and write the report; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog=program,
        description="Write one HTML file that needs nothing else: tables of both protocols, plots, strata, and a "
        "gallery of the worst, median and best cases that can be filtered. Several results are compared.",
        epilog="example: %(prog)s results/ours results/other --out report.html. The gallery needs "
        "the masks that test.py keeps",
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULTS", help="folder that test.py wrote")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="default: %(default)s")
    parser.add_argument("--no-gallery", action="store_true", help="leave out the pictures; needs no masks and no data")
    parser.add_argument(
        "--wordings", type=Path, metavar="FOLDER", help="a study of held-out wordings, whose spread to show as well"
    )
    add_comparison_options(parser)
    add_overwrite_option(parser)
    options = parser.parse_args(arguments)
    refuse_earlier([options.out], options)

    from gdinousam.evaluation.figures.report import write_report
    from gdinousam.evaluation.reporting.comparison import rename
    from gdinousam.evaluation.scoring.results import read_results

    results = [read_results(folder) for folder in options.results]
    if options.names:
        results = rename(results, options.names)
    wordings = _spread(options.wordings) if options.wordings is not None else ()
    num_bytes = write_report(results, options.out, not options.no_gallery, options.common, options.data, wordings)
    print(f"{options.out}: {num_bytes / 1e6:.1f} MB")
    return 0


def _spread(folder: Path) -> list[Table]:
    from gdinousam.experiments.studies.wording_table import read_wordings, study_tables

    tables = study_tables(read_wordings(folder))
    return [tables["spread"], tables["wordings"]]


if __name__ == "__main__":
    main()
